"""A fine-tuned model as one safetensors file that says what it was made from; no pickle."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.store import TaskEntry
from lcd_plugin.encoders import create_encoder, read_leads
from lcd_plugin.encoders.weights import Header, encoder_for, read_weights
from lcd_plugin.errors import ConfigError, DataError, PluginError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lcd_plugin.data.cohort import Task
    from lcd_plugin.encoders import RecordEncoder

KEY = "lcd-classifier"
HASH_BYTES = 16  # of `content_hash`
SEEN = "seen."


class ModelHeader(BaseModel):
    """What a model's file says of its weights.

    Attributes:
        name: what the model is called in figures, such as `lcd` or `from scratch`.
        encoder: name of the encoder.
        settings: its settings.
        data: what records are brought to before they are shown to it.
        dataset: that it was fine-tuned on.
        fingerprint: of that dataset's prepared store.
        task: with its classes in the order of the model's scores.
        training: how it was trained, and what validation and test said of it.
        weights_sha256: of the weights, by name and bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["lcd-classifier-1"] = "lcd-classifier-1"
    name: str
    encoder: str
    settings: dict[str, Any]
    data: DataSettings
    dataset: str
    fingerprint: str
    task: TaskEntry
    training: dict[str, Any]
    weights_sha256: str = ""


@dataclass(frozen=True)
class FineTuned:
    """A model with what it was made from.

    Attributes:
        header: what its file says.
        model: in eval mode; maps (batch, leads, time) to scores (batch, classes), before softmax
            or sigmoid.
        seen: recordings of the dataset that it must not be shown as if they were new, by part
            (`train`, `validation`): `content_hash` of each.
    """

    header: ModelHeader
    model: nn.Module
    seen: Mapping[str, frozenset[str]]


def as_classifier(encoder: nn.Module, classifier: nn.Module) -> nn.Module:
    """An encoder with a linear classifier on its features, in eval mode."""
    parts = OrderedDict(encoder=encoder, classifier=classifier)
    return nn.Sequential(parts).cpu().eval()


def model_bytes(fine_tuned: FineTuned) -> bytes:
    """The bytes of a model file."""
    weights = {k: v.detach().cpu().contiguous() for k, v in fine_tuned.model.state_dict().items()}
    header = fine_tuned.header.model_copy(update={"weights_sha256": _digest(weights)})
    seen = {
        SEEN + part: torch.frombuffer(
            bytearray(bytes.fromhex("".join(sorted(hashes)))), dtype=torch.uint8
        ).reshape(-1, HASH_BYTES)
        for part, hashes in fine_tuned.seen.items()
        if hashes
    }
    return save(weights | seen, metadata={KEY: header.model_dump_json()})


def load_model(path: str | Path) -> FineTuned:
    """Load a model that `lcd-bench explain` saved.

    Raises:
        DataError: the file is missing, is no model file or was changed, or needs an encoder that
            is not there.
    """
    metadata, tensors = read_weights(path)
    try:
        header = ModelHeader.model_validate_json(metadata.get(KEY, ""))
    except ValidationError as error:
        raise DataError(f"{path} is no model file of lcd-bench explain.") from error
    seen = {k.removeprefix(SEEN): _hashes(tensors.pop(k)) for k in list(tensors) if SEEN in k[:5]}
    if _digest(tensors) != header.weights_sha256:
        raise DataError(f"{path} was changed since it was saved; fine-tune the model again.")
    try:
        encoder = read_leads(encoder_for(header.encoder, header.settings, tensors))
        model = as_classifier(encoder, nn.Linear(*tensors["classifier.weight"].T.shape))
        model.load_state_dict(tensors)
    except (ConfigError, PluginError, KeyError, RuntimeError, TypeError) as error:
        raise DataError(
            f"{path} holds a model on the encoder '{header.encoder}', which cannot be made here "
            f"with these weights; install its plugin, or name its file with --plugin."
        ) from error
    return FineTuned(header, model, seen)


def is_model(path: str | Path) -> bool:
    """Whether a file holds a fine-tuned model, and not an encoder alone.

    Raises:
        DataError: it cannot be read.
    """
    return KEY in read_weights(path)[0]


def encoder_header(path: str | Path) -> Header:
    """Name, settings and notes of an encoder file.

    Raises:
        DataError: it cannot be read, or is no encoder file.
    """
    try:
        return Header.model_validate_json(read_weights(path)[0].get("lcd", ""))
    except ValidationError as error:
        raise DataError(
            f"{path} is neither the encoder.safetensors of a run nor a model of lcd-bench explain."
        ) from error


def fresh_encoder(name: str, settings: dict[str, Any], seed: int = 0) -> RecordEncoder:
    """An encoder with the random weights of a seed, as a supervised baseline starts with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return read_leads(create_encoder(name, **settings)).eval()


def _digest(tensors: Mapping[str, Tensor]) -> str:
    whole = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        whole.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        # As bytes, since NumPy does not have all kinds of number that torch has.
        whole.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


def _hashes(rows: Tensor) -> frozenset[str]:
    """Hashes of recordings, shape (recordings, HASH_BYTES)."""
    if rows.dtype != torch.uint8 or rows.dim() != 2:
        raise DataError("A model's file holds something else than the recordings that it has seen.")
    return frozenset(row.tobytes().hex() for row in rows.numpy())


def check_class(class_name: str, task: Task | TaskEntry) -> None:
    """Raise ConfigError if a task has no such class."""
    if class_name not in task.classes:
        raise ConfigError(
            f"The task '{task.name}' has no class '{class_name}'{suggest(class_name, task.classes)}"
        )
