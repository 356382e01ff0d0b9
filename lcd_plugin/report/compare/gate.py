"""Whether a run may take the place of another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from lcd_plugin.counted import counted
from lcd_plugin.report.compare.model import Gate, LineDifference
from lcd_plugin.report.figures import words

# A loss of just the threshold does not fail for the way in which computers add up.
ROUNDING = 1e-9
# Titles that a sentence gives before it only counts.
NAMED = 3


def judge(worse_by: float, lines: Sequence[LineDifference], missing: Sequence[str]) -> Gate:
    """Judge run B against run A.

    What fails is the loss as it was measured, real or not: a gate that waited for a loss to be told
    from noise would never fail on few test records. Stored results come out the same each time, so
    that there is nothing to run again until it passes. Where the loss may be noise, it says so, and
    where `worse_by` is below what the test records can tell at all.

    Args:
        worse_by: a loss above it fails, as a difference of scores.
        lines: that both runs have.
        missing: titles of scores that A has and B lacks; each of them fails.
    """
    failures = [reason for line in lines if (reason := _failure(worse_by, line))]
    if missing:
        more = len(missing) - NAMED
        shown = "; ".join(missing[:NAMED]) + (f"; and {more:,} more" if more > 0 else "")
        failures.append(f"B lacks {counted(len(missing), 'score')} that A has: {shown}.")
    return Gate(
        worse_by=worse_by,
        passed=not failures,
        failures=tuple(failures),
        notes=tuple(_notes(worse_by, lines)),
    )


def line_name(line: LineDifference) -> str:
    """The method with what else tells its line from others of its table."""
    extra = [line.recipe] * bool(line.recipe)
    if line.pretrain_dataset not in ("", line.dataset):
        extra.append(f"pretrained on {line.pretrain_dataset}")
    return line.method + (f" ({', '.join(extra)})" if extra else "")


def _title(line: LineDifference) -> str:
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
        return f"{_title(line)}: cannot be judged, since {line.reason}."
    if line.difference >= -worse_by - ROUNDING:
        return ""
    sure = (
        "its 95 % interval lies below zero"
        if line.ci_high < 0
        else "which may be noise: its 95 % interval reaches above zero"
    )
    return f"{_title(line)}: {line.metric} {line.difference:+.4f}, {sure}."


def _notes(worse_by: float, lines: Iterable[LineDifference]) -> Iterator[str]:
    widths = [(line.ci_high - line.ci_low) / 2 for line in lines if line.p is not None]
    known = sorted(width for width in widths if math.isfinite(width))
    if known and worse_by < known[len(known) // 2]:
        yield (
            f"A loss of {worse_by:g} is less than these test records can tell: the intervals of "
            f"the differences reach about {known[len(known) // 2]:.2g} to either side."
        )
