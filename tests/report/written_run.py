"""Folders as `lcd-bench run` leaves them, with predictions made for the purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lcd_plugin.bench.results import (
    EvaluateResult,
    PretrainResult,
    SnapshotEntry,
    key_of,
    pack_arrays,
    write_result,
)
from lcd_plugin.bench.saved_plan import SavedCell, SavedPlan, save_plan

UPDATES, BATCH = 20, 16


@dataclass(frozen=True)
class RunWriter:
    """Writes runs below a folder."""

    folder: Path
    N: ClassVar[int] = 300
    CLASSES: ClassVar[tuple[str, ...]] = ("MI", "HYP")
    TARGETS: ClassVar[np.ndarray] = (np.random.default_rng(0).random((300, 2)) < [0.5, 0.3]).astype(
        np.int8
    )
    # Two records a patient.
    PATIENTS: ClassVar[np.ndarray] = np.array([f"p{i // 2}" for i in range(300)])

    def noisy(self, strength: float, seed: int) -> np.ndarray:
        """Scores that follow the labels more or less."""
        noise = np.random.default_rng(seed).normal(size=self.TARGETS.shape)
        return (strength * self.TARGETS + noise).astype(np.float32)

    def write(
        self,
        scores: Mapping[str, Sequence[np.ndarray | list[np.ndarray]]],
        name: str = "out",
        *,
        targets: np.ndarray | None = None,
        patients: np.ndarray | None = None,
        machine: str = "one",
        data: str = "d1",
        gamma: float = 0.005,
        source: str | None = None,
        dataset: str = "d",
        recipe: str = "",
        leads: str = "all",
        fraction: float = 1.0,
        protocol: str = "linear",
        snapshots: Mapping[str, Sequence[Mapping[float, np.ndarray]]] | None = None,
        wall_s: float = 10.0,
        first_seed: int = 0,
        settings: Mapping[str, Any] | None = None,
        origin: Mapping[str, Any] | None = None,
        summaries: Sequence[Mapping[str, Any]] = (),
    ) -> Path:
        """Write a run at one label fraction.

        Args:
            scores: method -> for each seed its scores, or a list of those of each label seed.
            protocol: of the probe; `supervised` is `scratch`, or `scratch-paper` where the
                protocol is the paper's.
            snapshots: method -> for each seed the scores after shares of the budget.
            wall_s: seconds of the pretraining of the first seed; each seed takes one more.
            first_seed: of the seeds, which are counted up from it.
            settings: more of the identities, such as versions.
            origin: more of the provenance.
            summaries: of the data, for the plan.
        """
        out = self.folder / name
        targets = self.TARGETS if targets is None else targets
        patients = self.PATIENTS if patients is None else patients
        scratch = "scratch-paper" if protocol.endswith("-paper") else "scratch"
        provenance = {"machine": {"name": machine}, "finished": "2026-01-01"} | dict(origin or {})
        pretrain: list[SavedCell] = []
        evaluate: list[SavedCell] = []

        def evaluation(
            common: dict[str, Any], behind: dict[str, Any], score: np.ndarray, label_seed: int,
            trained: SavedCell, snapshot: float | None = None,
        ) -> None:  # fmt: skip
            own = scratch if common["kind"] == "supervised" else protocol
            identity = behind | {
                "task": "t", "label_fraction": fraction, "leads": leads,
                "label_seed": label_seed, "pretrain_key": trained.key, "protocol": own,
            } | ({} if snapshot is None else {"snapshot": snapshot})  # fmt: skip
            cell = SavedCell(
                key=key_of(identity), title=f"{own} {common['method']}", task="t",
                protocol=own, label_fraction=fraction, pretrain_key=trained.key,
                pretrain_dataset=None if common["kind"] == "supervised" else source,
                leads=leads, label_seed=label_seed, snapshot=snapshot, **common,
            )  # fmt: skip
            evaluate.append(cell)
            arrays = pack_arrays(
                rows=np.arange(len(targets)), patients=patients, targets=targets, scores=score,
                thresholds=np.full(targets.shape[1], 0.5, dtype=np.float32),
            )  # fmt: skip
            result = EvaluateResult(
                key=cell.key, identity=identity, classes=self.CLASSES, n_test=len(targets),
                n_labels=round(1000 * fraction), macro={"auroc": 0.0}, provenance=provenance,
            )  # fmt: skip
            write_result(out / "evaluate" / cell.key, result, {"predictions.npz": arrays})

        for method, seeds in scores.items():
            kind = method if method in ("random", "supervised") else "pretraining"
            for nth, by_label_seed in enumerate(seeds):
                seed = first_seed + nth
                common = {
                    "method": method, "kind": kind, "encoder": "e", "dataset": dataset,
                    "seed": seed, "recipe": recipe,
                }  # fmt: skip
                behind = dict(settings or {}) | {
                    "method": method, "seed": seed, "data": data, "gamma": gamma,
                    "dataset": dataset,
                }  # fmt: skip
                behind |= {"source": source} if kind != "supervised" else {}
                under_way = (snapshots or {}).get(method, ())
                shares = list(under_way[nth]) if under_way else []
                learned_on = {"dataset": source or dataset}
                trained = behind | learned_on | {"pretrain": {"batch_size": BATCH}}
                cell = SavedCell(
                    key=key_of(trained), title=f"pretrain {method}", **(common | learned_on)
                )
                pretrain.append(cell)
                seconds = wall_s + nth
                result = PretrainResult(
                    key=cell.key, identity=trained, phases={"steps": seconds},
                    records_per_s=100.0, updates=UPDATES, provenance=provenance,
                    snapshots=tuple(
                        SnapshotEntry(
                            share=share, epoch=1, updates=round(share * UPDATES),
                            records=round(share * UPDATES * BATCH), seconds=share * seconds,
                            file=f"{share}.safetensors",
                        )
                        for share in shares
                    ),
                )  # fmt: skip
                history = b"epoch,loss,embedding_std\n1,2.0,0.1\n"
                write_result(out / "pretrain" / cell.key, result, {"history.csv": history})
                several = by_label_seed if isinstance(by_label_seed, list) else None
                for i, score in enumerate(several or [by_label_seed]):
                    evaluation(common, behind, score, i if several else seed, cell)
                for share in shares:
                    score = under_way[nth][share]
                    evaluation(common, behind, score, 0 if several else seed, cell, share)
        plan = SavedPlan(
            suite="s", created="now", protocols=(protocol,), pretrain=tuple(pretrain),
            evaluate=tuple(evaluate), unavailable={}, data=tuple(map(dict, summaries)),
            recipes={recipe: {"gamma": gamma}} if recipe else {},
        )  # fmt: skip
        save_plan(out, plan)
        return out
