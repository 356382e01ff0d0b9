"""Settings under which an encoder saw its records, so that others are shown to it alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lcd_plugin.bench.suite import load_suite
from lcd_plugin.data.leads import LEAD_SUBSETS, canonical_lead
from lcd_plugin.encoders import JointEncoder
from lcd_plugin.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from lcd_plugin.bench.suite import Suite
    from lcd_plugin.data.settings import DataSettings
    from lcd_plugin.encoders import RecordEncoder

NOTED = ("rate", "seconds", "leads", "normalisation")


def suite_as_trained(
    noted: Mapping[str, Any],
    assignments: Sequence[str] = (),
    dataset: str | None = None,
    folder: str | Path | None = None,
) -> Suite:
    """A suite whose records are shaped as those that an encoder was trained on.

    Args:
        noted: data settings that the encoder's file names.
        assignments: `key=value`, which go before what is noted.
        dataset: a dataset whose records are read; None for files.
        folder: where they lie, if that was said.

    Raises:
        ConfigError: an unknown setting, or one that neither the file nor an assignment names.
    """
    said = {assignment.partition("=")[0].strip() for assignment in assignments}
    for key in NOTED:
        if key not in noted and f"data.{key}" not in said:
            raise ConfigError(
                f"The encoder's file does not say under which {key} it was trained; "
                f"give --set data.{key}=VALUE."
            )
    # A JSON value is a TOML value here: numbers, strings and lists of strings.
    shaped = [f"data.{key}={json.dumps(value)}" for key, value in noted.items()]
    # A suite has a method and a dataset; the method is used for nothing.
    flags: dict[str, Any] = {"methods": ["random"], "datasets": [dataset or "synthetic"]}
    if dataset and folder is not None:
        flags["settings"] = {dataset: {"path": str(folder)}}
    return load_suite(None, [*shaped, *assignments], flags)


def noted_of(encoder: RecordEncoder) -> dict[str, Any]:
    """Data settings that an encoder's file names."""
    return {key: encoder.notes[key] for key in NOTED if key in encoder.notes}


def leads_named(text: str) -> list[str]:
    """Leads of an option: a name of `LEAD_SUBSETS`, or names with commas between them."""
    subset = LEAD_SUBSETS.get(text.strip())
    return list(subset) if subset else [canonical_lead(name) for name in text.split(",")]


def check_leads(encoder: RecordEncoder, data: DataSettings) -> None:
    """Raise ConfigError if an encoder of all leads at once would be shown others than its own."""
    if not isinstance(encoder, JointEncoder):
        return
    own = tuple(encoder.notes.get("leads", data.leads))
    if data.leads != own or len(data.leads) != encoder.in_leads:
        raise ConfigError(
            f"This encoder reads {encoder.in_leads} leads at once ({', '.join(own)}), and no other "
            f"set of leads; leave --leads out. Only an encoder of a single lead takes any set."
        )
