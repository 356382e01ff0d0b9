"""The state of a pretraining between two epochs, in one safetensors file.

Orders, leads and views follow from the seed and the epoch (see `draws`), so what a checkpoint holds
is the method with its moving average, the optimiser and how far it came.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lcd_plugin.files import open_file, write_whole

log = logging.getLogger(__name__)

# Raise it when a checkpoint of before could no longer be gone on from.
VERSION = 1
METADATA, CHECKSUM = "pretraining", "sha256"


class Progress(BaseModel):
    """How far a pretraining came.

    Attributes:
        version: of the format and of what follows from a seed.
        seed: of the pretraining.
        history: see `PretrainOutcome`; it has a row for every epoch that is done.
        phases: seconds by phase so far.
        timed_steps: steps in the phase steps.
        waited_s: seconds that steps waited for data so far.
    """

    # A term that is not finite, beside a loss that is, is kept as it is.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    version: int = VERSION
    seed: int
    history: list[dict[str, int | float]]
    phases: dict[str, float]
    timed_steps: int
    waited_s: float


@dataclass(frozen=True)
class Checkpoint:
    """Progress with the tensors that belong to it."""

    progress: Progress
    tensors: dict[str, Tensor]

    def restore(self, method: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Put the state back into a method and its optimiser, both made as they were."""
        method.load_state_dict(_part(self.tensors, "method."))
        state = optimiser.state_dict()
        state["state"] = _nest(_part(self.tensors, "optimiser."))
        optimiser.load_state_dict(state)


def save_checkpoint(
    path: Path, method: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write a checkpoint whole; the one before is replaced."""
    tensors = {f"method.{name}": value for name, value in method.state_dict().items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in values.items()}
    # Copies: safetensors refuses tensors that share memory, and a target may start as its source.
    tensors = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
    metadata = {METADATA: progress.model_dump_json(), CHECKSUM: _checksum(tensors)}
    write_whole(path, save(tensors, metadata=metadata))


def load_checkpoint(path: Path, seed: int) -> Checkpoint | None:
    """The checkpoint of a pretraining, or None where there is none that can be relied on."""
    if not path.exists():
        return None
    try:
        open_file(path).close()
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            progress = Progress.model_validate_json(metadata[METADATA])
            # Copies: the file is about to be replaced, and should not be mapped then.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        if metadata[CHECKSUM] != _checksum(tensors):
            raise OSError("its tensors were changed")
    # What a damaged file can raise is no closed list: kinds of number that torch lacks, names.
    except Exception as error:
        log.warning("The checkpoint %s cannot be read; starting anew (%s).", path, error)
        return None
    if progress.version != VERSION or progress.seed != seed:
        log.warning("The checkpoint %s is of another version or seed; starting anew.", path)
        return None
    return Checkpoint(progress, tensors)


def _checksum(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _nest(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    nested: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition(".")
        nested.setdefault(int(index), {})[key] = value
    return nested
