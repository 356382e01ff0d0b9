from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.planned import EvaluateCell, PretrainCell
from lcd_plugin.bench.results import EvaluateResult, PretrainResult, write_result
from lcd_plugin.pretrain.job import EpochDone

PACKAGES = {"packages": {"torch": "2.14.1"}}


class Cells:
    """Cells and what happens to them."""

    @staticmethod
    def pretrain(seed: int = 0, method: str = "lcd") -> PretrainCell:
        identity = {"method": method, "seed": seed}
        return PretrainCell(identity, "", method, "vgg16_1d", "ptbxl", seed)

    @staticmethod
    def evaluate(fraction: float = 1.0, seed: int = 0, label_seed: int = 0) -> EvaluateCell:
        identity = {"fraction": fraction, "seed": seed, "label_seed": label_seed}
        return EvaluateCell(
            identity, "", "lcd", "vgg16_1d", "ptbxl", "superclass", "linear", "all", fraction,
            label_seed, seed, None, Cells.pretrain(seed).key, "ptbxl",
        )  # fmt: skip

    @staticmethod
    def epoch(cell: PretrainCell, number: int, loss: float = 0.5) -> CellEvent:
        done = EpochDone(number, 3, loss, None if number == 1 else 1000.0)
        return CellEvent(cell, "progress", epoch=done, worker=1)

    @staticmethod
    def trained(cell: PretrainCell, out: Path) -> CellEvent:
        """A pretraining that ends, with its files on disk as the runner leaves them."""
        history = "epoch,updates,loss,embedding_std\n1,4,0.9,0.11\n2,8,0.5,0.12\n3,12,0.4,0.13\n"
        result = PretrainResult(
            key=cell.key, identity=cell.identity, phases={"steps": 2.5}, updates=12,
            records_per_s=900.0, final_loss=0.4, provenance=PACKAGES,
        )  # fmt: skip
        result = write_result(
            out / "pretrain" / cell.key, result, {"history.csv": history.encode()}
        )
        return CellEvent(cell, "done", "2.5 s", result=result)

    @staticmethod
    def scored(cell: EvaluateCell, auroc: float, n_labels: int = 100) -> CellEvent:
        result = EvaluateResult(
            key=cell.key, identity=cell.identity, phases={"fit": 1.5}, n_labels=n_labels,
            macro={"auroc": auroc, "f1": float("nan")}, provenance=PACKAGES,
        )  # fmt: skip
        return CellEvent(cell, "done", f"macro AUROC {auroc:.3f}", result=result)


@pytest.fixture
def cells() -> type[Cells]:
    return Cells


@pytest.fixture
def read_lines():
    """The lines of a file, each parsed by itself."""

    def read(path: Path) -> list[dict[str, Any]]:
        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        content = path.read_bytes()
        assert content.isascii()
        assert content.endswith(b"\n")
        return [json.loads(line, parse_constant=refuse) for line in content.splitlines()]

    return read
