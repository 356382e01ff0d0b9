"""Encoders by name, built in or from elsewhere, and how they read the leads of a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from lcd_plugin.encoders.base import RecordEncoder
from lcd_plugin.encoders.joint import JointEncoder
from lcd_plugin.encoders.leadwise import LeadwiseEncoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.plugins import ENCODERS
from lcd_plugin.plugins.complaint import complaint


def create_encoder(name: str, in_leads: int = 1, **kwargs: Any) -> nn.Module:
    """Make an encoder with fresh random weights.

    Args:
        name: a name of `lcd-bench list encoders`.
        in_leads: leads that the network reads at once; 1 for one that is shared over leads.
        **kwargs: settings of the encoder, such as `width`.

    Returns:
        A module that maps (batch, in_leads, time) to (batch, features) and has the attributes
        `num_features` and `in_leads`.

    Raises:
        ConfigError: no encoder has that name, or it does not take these settings.
    """
    build = ENCODERS.load(name)
    try:
        encoder = build(in_leads=in_leads, **kwargs)
    except (Exception, SystemExit) as error:  # an encoder may be anyone's, and what it raises too
        raise ConfigError(f"Encoder '{name}' cannot be made: {complaint(error)}") from error
    if not isinstance(encoder, nn.Module):
        kind = type(encoder).__name__
        raise ConfigError(f"Encoder '{name}' cannot be made: {kind} is no torch.nn.Module.")
    if not hasattr(encoder, "in_leads"):
        encoder.in_leads = in_leads  # type: ignore[assignment]
    return encoder


def network_settings(name: str, settings: Mapping[str, Any], n_leads: int) -> dict[str, Any]:
    """What `create_encoder` is given for records with so many leads.

    The setting `leads` belongs to the host and not to the encoder: `each` makes one network of a
    single lead that is shared over leads, `all` a network that reads all leads at once.

    Args:
        name: the encoder's.
        settings: the encoder's, and `leads`.
        n_leads: leads of the records.

    Raises:
        ConfigError: `leads` is neither of the two, or `in_leads` is among the settings.
    """
    own = {key: value for key, value in settings.items() if key != "leads"}
    leads = settings.get("leads", "each")
    if leads not in ("each", "all"):
        raise ConfigError(
            f"{name}.leads must be 'each' (one network for a single lead, shared over leads) or "
            f"'all' (a network that reads all leads at once), got {leads!r}."
        )
    if "in_leads" in own:
        raise ConfigError(
            f"{name}.in_leads follows from the leads of the data; use {name}.leads, which is "
            f"'each' or 'all'."
        )
    return own | ({"in_leads": n_leads} if leads == "all" else {})


def in_leads_of(network: nn.Module) -> int:
    """Leads that a network reads at once; 1 for one that does not say."""
    return int(getattr(network, "in_leads", 1))


def read_leads(network: nn.Module) -> RecordEncoder:
    """An encoder of records from a network of one lead, or of all leads at once."""
    return LeadwiseEncoder(network) if in_leads_of(network) == 1 else JointEncoder(network)
