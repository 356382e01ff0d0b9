"""A trained encoder as one safetensors file that says what it needs to be used again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.modules import module as registrations

from lcd_plugin.encoders.base import RecordEncoder
from lcd_plugin.encoders.factory import create_encoder, read_leads
from lcd_plugin.errors import ConfigError, DataError, PluginError
from lcd_plugin.files import open_file

# Bytes of a file of weights; real ones are far below.
MOST = 2**33
# Numbers that an encoder may have beside twice those of its file: tables that are not saved, and
# layers that are thrown away.
SPARE = 2**22


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
    metadata, tensors = read_weights(path)
    try:
        header = Header.model_validate_json(metadata.get("lcd", ""))
    except ValidationError as error:
        raise DataError(
            f"{path} is no encoder file of lcd-bench; give the encoder.safetensors of a run."
        ) from error
    try:
        encoder = encoder_for(header.encoder, header.settings, tensors)
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


def read_weights(path: str | Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file; the tensors stay on disk until they are used.

    Raises:
        DataError: the file is missing, or is none.
    """
    try:
        with open_file(Path(path)) as opened:
            size = os.fstat(opened.fileno()).st_size
        if size > MOST:
            raise OSError(f"it has {size:,} bytes, and at most {MOST:,} are read")
        with safe_open(str(path), framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, tensors
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    # What a damaged file can raise is no closed list: kinds of number that torch lacks, names.
    except Exception as error:
        raise DataError(f"{path} cannot be read as weights: {error}") from error


def encoder_for(name: str, settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """A fresh encoder under the settings of a file, if it is not much larger than its weights.

    Settings of a file are anybody's: some widths would take all memory, some depths all time,
    before anything could be compared with the weights.

    Args:
        name: of the encoder.
        settings: of the file.
        tensors: of the file.

    Raises:
        ConfigError: it cannot be made, or asks for more numbers than the file has.
        PluginError: there is no such encoder.
    """
    most = 2 * sum(tensor.numel() for tensor in tensors.values()) + SPARE
    with torch.random.fork_rng(devices=[]):  # first weights are drawn only to be replaced
        # First without memory, where that is possible: some tables are filled before they count.
        with suppress(ConfigError), _counted(most) as counter, torch.device("meta"):
            create_encoder(name, **settings)
        if counter.exceeded:
            raise ConfigError(
                f"The settings of encoder '{name}' ask for far more weights than the file has."
            )
        with _counted(most):
            return create_encoder(name, **settings)


class _Counter:
    """Counts the numbers of modules that are being built, and ends that when they are too many."""

    def __init__(self, most: int) -> None:
        self.left = most

    @property
    def exceeded(self) -> bool:
        return self.left < 0

    def __call__(self, module: nn.Module, name: str, added: Tensor | nn.Module | None) -> None:
        # Modules without weights cost time, too.
        self.left -= added.numel() if isinstance(added, Tensor) else 1
        if self.exceeded:
            raise ValueError("it has far more weights than the file")


@contextmanager
def _counted(most: int) -> Iterator[_Counter]:
    """Let modules be built with no more numbers than `most`; beyond it they raise ValueError."""
    counter = _Counter(most)
    hooks = [
        registrations.register_module_parameter_registration_hook(counter),
        registrations.register_module_buffer_registration_hook(counter),
        registrations.register_module_module_registration_hook(counter),
    ]
    try:
        yield counter
    finally:
        for hook in hooks:
            hook.remove()
