"""A trained encoder as one safetensors file that says what it needs to be used again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from lcd_plugin.encoders.base import RecordEncoder
from lcd_plugin.encoders.factory import create_encoder, read_leads
from lcd_plugin.errors import ConfigError, DataError, PluginError


class Header(BaseModel):
    """What the file says of its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["lcd-encoder-1"] = "lcd-encoder-1"
    encoder: str
    settings: dict[str, Any]
    notes: dict[str, Any]


def save_encoder(encoder: nn.Module, name: str, settings: dict[str, Any], **notes: Any) -> bytes:
    """The bytes of an encoder file.

    Args:
        encoder: made by `create_encoder(name, **settings)`.
        name: its name.
        settings: its settings; `in_leads` too, unless it reads a single lead.
        **notes: what a user of the weights should know (rate in Hz, normalisation, leads).

    Returns:
        A safetensors file with the settings and notes as JSON in its header.
    """
    tensors = {
        key: value.detach().cpu().contiguous() for key, value in encoder.state_dict().items()
    }
    header = Header(encoder=name, settings=settings, notes=notes)
    return save(tensors, metadata={"lcd": json.dumps(header.model_dump(), sort_keys=True)})


def load_encoder(path: str | Path) -> RecordEncoder:
    """The pretrained encoder of a run.

    It takes one lead or any set of leads; with `leads = "all"` precisely the leads of its notes, in
    their order.

    Args:
        path: an `encoder.safetensors` that `lcd-bench run` wrote.

    Returns:
        A module in eval mode that maps (batch, leads, time) to (batch, leads * features), or to
        (batch, features) if it reads all leads at once. Its attribute `notes` holds rate (Hz),
        normalisation and leads of the pretraining.

    Raises:
        DataError: the file is missing, is no encoder file, or needs an encoder that is not there.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an encoder file: {error}") from error
    try:
        header = Header.model_validate_json(metadata.get("lcd", ""))
    except ValidationError as error:
        raise DataError(
            f"{path} is no encoder file of lcd-bench; give the encoder.safetensors of a run."
        ) from error
    try:
        with torch.random.fork_rng(devices=[]):  # first weights are drawn only to be replaced
            encoder = create_encoder(header.encoder, **header.settings)
    except (ConfigError, PluginError) as error:
        raise DataError(
            f"{path} holds weights of the encoder '{header.encoder}', which cannot be made here; "
            f"install its plugin, or name its file with --plugin. {error}"
        ) from error
    try:
        encoder.load_state_dict(tensors)
    except RuntimeError as error:
        raise DataError(
            f"{path} holds weights that do not fit encoder '{header.encoder}'."
        ) from error
    whole = read_leads(encoder).eval()
    whole.notes = header.notes
    return whole
