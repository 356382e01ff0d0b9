"""Whether a run may take the place of another."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from lcd_plugin.counted import counted
from lcd_plugin.report.compare.matching import LineName, Matched
from lcd_plugin.report.compare.model import Doubt, Gate, LineDifference
from lcd_plugin.report.compare.scores import seeds_doubt
from lcd_plugin.report.figures import words
from lcd_plugin.report.plain_text import first_few

# A loss of just the threshold does not fail for the way in which computers add up.
ROUNDING = 1e-9
# Titles that a sentence gives before it only counts.
NAMED = 3


def judge(
    worse_by: float, lines: Sequence[LineDifference], missing: Sequence[str], *, allow_missing: bool
) -> Gate:
    """Judge run B against run A.

    What fails is the loss as it was measured, real or not: a gate that waited for a loss to be told
    from noise would never fail on few test records. Stored results come out the same each time, so
    that there is nothing to run again until it passes. Where the loss may be noise, it says so, and
    where `worse_by` is below what the test records can tell at all.

    Args:
        worse_by: a loss above it fails, as a difference of scores.
        lines: that both runs have.
        missing: what A has and B lacks.
        allow_missing: whether it passes for all that.
    """
    failures = [reason for line in lines if (reason := _failure(worse_by, line))]
    return Gate(
        worse_by=worse_by,
        passed=not failures and (allow_missing or not missing),
        failures=tuple(failures),
        missing=tuple(missing),
        allow_missing=allow_missing,
        notes=tuple(_notes(worse_by, lines)),
    )


def missing_from(matched: Matched) -> list[str]:
    """What run A has and run B lacks: whole lines, seeds of lines, and label subsets of those."""
    said = []
    if whole := matched.lines_only_a:
        shown = first_few([title(name) for name in whole], NAMED, "; ")
        said.append(f"{counted(len(whole), 'line')}: {shown}.")
    seeds, subsets = Counter[tuple[int, ...]](), 0
    for line in matched.lines:
        of_a, of_b = ({run.cell.seed for run in runs} for runs in (line.a, line.b))
        if of_a - of_b:
            seeds[tuple(sorted(of_a - of_b))] += 1
        elif len(line.pairs) < len(line.a):
            subsets += 1
    for lacking, number in seeds.items():
        which = f"seed{'s' * (len(lacking) > 1)} {', '.join(map(str, lacking))}"
        said.append(f"{which} of {counted(number, 'line')}.")
    if subsets:
        said.append(f"label subsets of {counted(subsets, 'line')}.")
    return said


def line_name(line: LineDifference | LineName) -> str:
    """The method with its recipe and pretraining dataset, whatever its table has beside it."""
    extra = [line.recipe] * bool(line.recipe)
    if line.pretrain_dataset not in ("", line.dataset):
        extra.append(f"pretrained on {line.pretrain_dataset}")
    return line.method + (f" ({', '.join(extra)})" if extra else "")


def title(line: LineDifference | LineName) -> str:
    """A line with all that tells it from others."""
    leads = f", {words.leads(line.leads)}" if line.leads != "all" else ""
    return (
        f"{line_name(line)} on {line.dataset}/{line.task}, {line.protocol}, {line.encoder}{leads}, "
        f"{words.labels(line.label_fraction)}"
    )


def _failure(worse_by: float, line: LineDifference) -> str:
    """Why a line fails; "" where it does not."""
    if line.reason:
        if math.isnan(line.mean_a) and math.isnan(line.mean_b):
            return ""
        return f"{title(line)}: cannot be judged, since {line.reason}."
    if line.difference >= -worse_by - ROUNDING:
        return ""
    sure = (
        "its 95 % interval lies below zero"
        if line.ci_high < 0
        else "which may be noise: its 95 % interval reaches above zero"
    )
    return f"{title(line)}: {line.metric} {line.difference:+.4f}, {sure}{_doubt_said(line)}."


def _doubt_said(line: LineDifference) -> str:
    """Why the loss may be of the seeds alone, at the end of a sentence."""
    seeds = counted(len(line.seeds), "seed")
    said: dict[Doubt, str] = {
        "": "",
        "no seed in common": "the runs have no seed in common, so it may be that of other seeds",
        "fewer than 3 seeds": f"only {seeds} in both runs, so it may be of the seeds",
        "within seeds": f"its {seeds} alone vary as much (SD {line.seed_std or 0:.3f})",
    }
    doubt = said[seeds_doubt(line)]
    return f"; {doubt}" if doubt else ""


def _notes(worse_by: float, lines: Sequence[LineDifference]) -> Iterator[str]:
    unpaired = sum(line.doubt == "no seed in common" for line in lines)
    if unpaired:
        yield (
            f"Of {counted(unpaired, 'line')} no seed is in both runs: the difference is of other "
            f"seeds too."
        )
    widths = [(line.ci_high - line.ci_low) / 2 for line in lines if line.p is not None]
    known = sorted(width for width in widths if math.isfinite(width))
    if known and worse_by < known[len(known) // 2]:
        yield (
            f"A loss of {worse_by:g} is less than these test records can tell: the intervals of "
            f"the differences reach about {known[len(known) // 2]:.2g} to either side."
        )
