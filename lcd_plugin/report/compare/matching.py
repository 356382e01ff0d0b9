"""Which evaluations of two runs belong together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lcd_plugin.report.collect import Scored
from lcd_plugin.report.comparisons import fraction_of, label_seed_of


class LineName(NamedTuple):
    """What a line is, whatever its settings and versions; the names are those of `Row`."""

    dataset: str
    task: str
    encoder: str
    protocol: str
    leads: str
    label_fraction: float
    method: str
    recipe: str
    pretrain_dataset: str


@dataclass(frozen=True)
class MatchedLine:
    """A line that both runs have.

    Attributes:
        name: as run B has it.
        a, b: all evaluations of the runs.
        pairs: those with the same pretraining seed and label seed, in the order of the seeds.
    """

    name: LineName
    a: Sequence[Scored]
    b: Sequence[Scored]
    pairs: Sequence[tuple[Scored, Scored]]

    @property
    def compared(self) -> tuple[list[Scored], list[Scored]]:
        """The evaluations that are compared: pairs, or all where there are none."""
        if self.pairs:
            return [a for a, _ in self.pairs], [b for _, b in self.pairs]
        return list(self.a), list(self.b)


@dataclass(frozen=True)
class Matched:
    """The evaluations of two runs.

    Attributes:
        lines: that both have.
        only_a, only_b: evaluations without a counterpart.
        lines_only_a, lines_only_b: lines that the other run has nothing of.
    """

    lines: list[MatchedLine]
    only_a: list[Scored]
    only_b: list[Scored]
    lines_only_a: list[LineName]
    lines_only_b: list[LineName]


def finished(scored: Iterable[Scored]) -> list[Scored]:
    """Evaluations of finished encoders."""
    return [run for run in scored if run.cell.snapshot is None]


def match(a: Iterable[Scored], b: Iterable[Scored]) -> Matched:
    """Match lines that share a key, then those that are the same thing under other settings."""
    lines_a, lines_b = _lines(finished(a)), _lines(finished(b))
    name_of = {run.cell.key: name for name, runs in lines_a.items() for run in runs}
    partner: dict[LineName, LineName] = {}
    for name, runs in lines_b.items():
        # A key says it for certain, even where a suite calls its recipe something else.
        shared = Counter(name_of[run.cell.key] for run in runs if run.cell.key in name_of)
        free = [own for own, _ in shared.most_common() if own not in partner.values()]
        if free:
            partner[name] = free[0]
    for name in lines_b:
        if name not in partner and name in lines_a and name not in partner.values():
            partner[name] = name
    lines = [
        MatchedLine(name, lines_a[own], lines_b[name], _pairs(lines_a[own], lines_b[name]))
        for name, own in partner.items()
    ]
    paired = {id(run) for line in lines for pair in line.pairs for run in pair}
    only_a, only_b = (
        [run for runs in side.values() for run in runs if id(run) not in paired]
        for side in (lines_a, lines_b)
    )
    return Matched(
        lines,
        only_a,
        only_b,
        lines_only_a=[name for name in lines_a if name not in partner.values()],
        lines_only_b=[name for name in lines_b if name not in partner],
    )


def _lines(runs: Iterable[Scored]) -> dict[LineName, list[Scored]]:
    lines: dict[LineName, list[Scored]] = defaultdict(list)
    for run in runs:
        cell = run.cell
        source = "" if cell.kind == "supervised" else cell.pretrain_dataset or cell.dataset
        name = LineName(
            cell.dataset, str(cell.task), cell.encoder, str(cell.protocol), cell.leads,
            fraction_of(run), cell.method, cell.recipe, source,
        )  # fmt: skip
        lines[name].append(run)
    return {name: sorted(own, key=_seeds) for name, own in lines.items()}


def _pairs(a: Iterable[Scored], b: Iterable[Scored]) -> list[tuple[Scored, Scored]]:
    by_seeds = {_seeds(run): run for run in b}
    return [(run, by_seeds[_seeds(run)]) for run in a if _seeds(run) in by_seeds]


def _seeds(run: Scored) -> tuple[int, int]:
    return run.cell.seed, label_seed_of(run)
