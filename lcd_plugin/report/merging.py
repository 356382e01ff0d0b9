"""Results of several folders side by side: what is the same, and what contradicts itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lcd_plugin.bench.results import ENCODER, PREDICTIONS
from lcd_plugin.counted import counted

if TYPE_CHECKING:
    from lcd_plugin.report.collect import Collected, Scored


def are_equal(a: Scored, b: Scored) -> bool:
    """Whether two results are the same predictions, however their files were compressed."""
    if a.result.files[PREDICTIONS] == b.result.files[PREDICTIONS]:
        return True
    names = ("patients", "targets", "scores", "thresholds")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def conflict_reason(a: Scored, b: Scored) -> str:
    """What differs between two results of one cell. Nothing tells which of them is right."""
    if np.array_equal(a.patients, b.patients) and a.scores.shape == b.scores.shape:
        scores = [s.result.macro.get("auroc") for s in (a, b)]
        shown = " and ".join("none" if s is None else f"{s:.4f}" for s in scores)
        apart = float(np.abs(a.scores - b.scores).max(initial=0))
        differ = f"macro AUROC {shown}, scores up to {apart:.2g} apart"
    else:
        differ = "their test records are not the same"
    return (
        f"{a.out} and {b.out} have different results under one key ({differ}); report one of them "
        f"only, or look at both with `lcd-bench compare`"
    )


def merge_notes(collected: Collected) -> Iterator[str]:
    """Sentences on what several folders have of one plan."""
    conflicts = sum(cell.status == "conflict" for cell in collected.unfinished)
    if conflicts:
        yield (
            f"Left out: {counted(conflicts, 'result')} that differ between folders under one key, "
            f"since nothing tells which is right."
        )
    stale = sum(cell.status == "stale" for cell in collected.unfinished)
    if stale:
        yield f"Left out: {counted(stale, 'result')} of older versions than others of this report."
    weights: dict[str, set[str | None]] = defaultdict(set)
    for scored in collected.scored:
        if scored.pretraining is not None:
            weights[scored.pretraining.key].add(scored.pretraining.files.get(ENCODER))
    several = sum(len(own) > 1 for own in weights.values())
    if several:
        yield (
            f"{counted(several, 'pretraining')} came out differently in several folders, so that "
            f"scores of one seed at different label fractions are of different encoders."
        )
