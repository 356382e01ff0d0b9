"""Leaderboards with everything a page can show: a plain one, a large one and a hostile one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lcd_plugin.report.model import AverageRanks, LabelFactor, Leaderboard, Pair, Row, SpeedCurve
from lcd_plugin.report.run_record import Curve, RunSource, UnfinishedCell

PHASES = {"load": 0.01, "calibrate": 0.06, "steps": 0.9, "monitor": 0.02, "checkpoint": 0.01}
STATUSES = ("failed", "missing", "missing", "unreadable", "stale", "conflict")
# Ends a script, opens a tag, closes an attribute, and turns round what is read after it.
HOSTILE = "\u202e</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`&"


def _results(row: Row, seeds: int = 3) -> tuple[str, ...]:
    name = f"{row.method}{row.dataset}{row.task}{row.label_fraction}"
    keys = [f"{random.Random(f'{name}{seed}').getrandbits(64):016x}" for seed in range(seeds)]
    return tuple(f"out/{part}/{key}" for part in ("evaluate", "pretrain") for key in keys)


def complete(row: Row) -> Row:
    """The row with phases and result folders."""
    names = {"random": ("calibrate",), "supervised": ("fit",)}.get(row.kind, tuple(PHASES))
    parts = {name: PHASES.get(name, 1.0) for name in names}
    wall = {n: row.pretrain_wall_s * share / sum(parts.values()) for n, share in parts.items()}
    return row.model_copy(update={"phases": wall, "results": _results(row)})


def _setting(row: Row) -> dict[str, Any]:
    return {key: getattr(row, key) for key in ("dataset", "task", "encoder", "protocol", "leads")}


def _line(row: Row) -> dict[str, str]:
    return {key: getattr(row, key) for key in ("method", "recipe", "pretrain_dataset")}


def _pairs(rows: Sequence[Row]) -> Iterator[Pair]:
    for index, a in enumerate(rows):
        for b in rows[index + 1 :]:
            gap, differ = a.mean - b.mean, b.method not in a.tied_with
            yield Pair(
                **_setting(a), label_fraction=a.label_fraction, metric=a.metric, a=a.method,
                b=b.method, difference=gap, ci_low=gap - 0.02, ci_high=gap + 0.02, seed_std=0.004,
                p=0.0004 if differ else 0.31, p_holm=0.004 if differ else 1.0,
            )  # fmt: skip


def _factors(rows: Sequence[Row]) -> Iterator[LabelFactor]:
    for row in rows:
        for baseline in {"supervised", "random"} - {row.method}:
            yield LabelFactor(
                **_setting(row), **_line(row), name=row.method, baseline=baseline,
                label_fraction=row.label_fraction, n_labels=row.n_labels, factor=2.0 + row.mean,
                ci_low=0.9, ci_high=10.0, bound="exact", low_bound="exact", high_bound="more",
            )  # fmt: skip


def _speed(rows: Sequence[Row]) -> Iterator[SpeedCurve]:
    shares = (0.1, 0.25, 0.5, 1.0)
    for row in rows:
        if row.kind == "pretraining":
            yield SpeedCurve(
                **_setting(row), **_line(row), name=row.method, share=shares, n_seeds=3,
                seconds=tuple(s * row.pretrain_wall_s for s in shares),
                records=tuple(s * 1e6 for s in shares), machine=row.machine,
                score=tuple(row.mean - 0.05 * (1 - s) for s in shares), seed_std=(0.004,) * 4,
            )  # fmt: skip


def _comparisons(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of the first metric, comparison by comparison."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.metric == "auroc":
            groups.setdefault((row.dataset, row.task), []).append(row)
    return list(groups.values())


def with_everything(board: Leaderboard) -> Leaderboard:
    """The board with every section that a page has."""
    rows = tuple(map(complete, board.rows))
    groups = _comparisons(rows)
    full = [[row for row in group if row.label_fraction == 1] for group in groups]
    names = tuple(dict.fromkeys(row.method for row in rows))
    ranks = AverageRanks(
        encoder=rows[0].encoder, protocol=rows[0].protocol, label_fraction=1.0, metric="auroc",
        comparisons=("ptbxl / superclass", "ptbxl / superclass-single"), names=names,
        average_rank=tuple(1 + i * 0.9 for i in range(len(names))), friedman_p=None,
        critical_difference=2.2,
    )  # fmt: skip
    changes = {
        "rows": rows,
        "pairs": tuple(pair for group in full for pair in _pairs(group)),
        "label_factors": tuple(f for group in groups for f in _factors(group)),
        "speed": tuple(curve for group in full for curve in _speed(group)),
        "ranks": (ranks, ranks.model_copy(update={"label_fraction": 0.01})),
        "recipes": {"paper": {}, "best": {"data": {"normalisation": "lead"}}},
        "unfinished": tuple(
            UnfinishedCell(
                title=f"cell {i}", status=status, reason=f"because of {status}\nline 2", out="out"
            )
            for i, status in enumerate(STATUSES)
        ),
        "runs": (
            RunSource(
                out="out", suite=board.suite, created=board.created, results=len(rows),
                machines=(rows[0].machine,), provenance=board.provenance,
            ),
        ),
    }  # fmt: skip
    return board.model_copy(update=changes)


def large(board: Leaderboard, datasets: int = 14) -> Leaderboard:
    """5,040 rows: 14 datasets, 18 methods, 4 label fractions, 5 metrics."""
    rng = random.Random(1)
    methods = [f"method_{i:02d}" for i in range(16)] + ["random", "supervised"]
    first = board.rows[0]
    rows = []
    for dataset in range(datasets):
        means = {m: rng.uniform(0.8, 0.95) for m in methods}
        for metric in ("auroc", "auprc", "f1", "balanced_accuracy", "ece"):
            for fraction, n_labels in ((1.0, 17111), (0.3, 5133), (0.1, 1711), (0.01, 171)):
                order = sorted(methods, key=lambda m: -means[m])
                for place, method in enumerate(order):
                    mean = means[method] - 0.1 * (1 - fraction)
                    kind = method if method in ("random", "supervised") else "pretraining"
                    changes = {
                        "method": method, "kind": kind, "dataset": f"cohort_{dataset:02d}",
                        "task": "superclass", "pretrain_dataset": f"cohort_{dataset:02d}",
                        "metric": metric, "label_fraction": fraction, "n_labels": n_labels,
                        "mean": mean, "ci_low": mean - 0.02, "ci_high": mean + 0.02,
                        "rank": None if metric == "ece" else 1 + max(0, place - 8),
                        "tied_with": (*order[max(0, place - 8) : place], *order[place + 1 :][:8]),
                        "beats_random": None if kind == "random" else place % 3 > 0,
                        "compared_random": None if kind == "random" else "random",
                        "pretrain_wall_s": 60.0 + 10 * place, "rare_classes": ("HYP",),
                    }  # fmt: skip
                    rows.append(first.model_copy(update=changes))
    curves = tuple(
        Curve(
            method=method, encoder="vgg16_1d", dataset="cohort_00", seed=seed,
            epoch=tuple(map(float, range(100))), loss=tuple(5 * 0.95**e for e in range(100)),
            embedding_std=tuple(0.1 + 0.0001 * e for e in range(100)),
        )
        for method in methods[:16]
        for seed in range(2)
    )  # fmt: skip
    return with_everything(board.model_copy(update={"rows": tuple(rows), "curves": curves}))


def hostile(board: Leaderboard) -> Leaderboard:
    """The board with `HOSTILE` in front of every text; kinds, metrics and times stay."""
    kept = {"kind", "metric", "status", "bound", "low_bound", "high_bound", "created"}

    def poison(value: Any, key: str = "") -> Any:
        if key in kept:
            return value
        if isinstance(value, str):
            return HOSTILE + value
        if isinstance(value, Mapping):
            return {HOSTILE + k if _is_data(key) else k: poison(v, k) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [poison(v, key) for v in value]
        return value

    return Leaderboard.model_validate(poison(board.model_dump(by_alias=False)))


def _is_data(key: str) -> bool:
    """Whether the keys of a mapping are names too, and not those of the document."""
    return key in {"per_class", "recipes", "tasks", "settings", "provenance", "phases"}


Builder = Callable[..., Leaderboard]
