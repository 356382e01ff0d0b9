"""From predictions to the leaderboard: scores, tests and ranks of every comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from threadpoolctl import threadpool_limits

from lcd_plugin.data.parallel import in_order
from lcd_plugin.evaluate.bootstrap import DRAWS, patient_weights
from lcd_plugin.evaluate.metrics import METRICS
from lcd_plugin.report.collect import Collected, Scored, collect
from lcd_plugin.report.comparisons import Table, make_tables
from lcd_plugin.report.contenders import Contender, best_first, contender
from lcd_plugin.report.duels import Duel, Standing, all_duels, standings
from lcd_plugin.report.figures import series_names
from lcd_plugin.report.label_factors import label_factors
from lcd_plugin.report.model import Leaderboard, Pair, Place, Row
from lcd_plugin.report.notes import class_notes, machine_notes, seed_notes, table_notes
from lcd_plugin.report.rank_summary import rank_summaries
from lcd_plugin.report.rows import make_row
from lcd_plugin.report.run_record import DataSummary, RunSource
from lcd_plugin.report.speed import machines_of, speed_curves
from lcd_plugin.timing import now


def build_leaderboard(outs: list[Path]) -> Leaderboard:
    """The leaderboard of one or more output folders.

    Raises:
        DataError: a folder holds no run.
    """
    collected = collect(outs)
    tables = make_tables(collected.scored)
    judged = _judge(tables)
    rows = [row for table in judged for row in table.rows]
    data = _data(collected)
    return Leaderboard(
        suite=" + ".join(dict.fromkeys(plan.suite for plan in collected.plans.values())),
        created=now(),
        rows=tuple(rows),
        pairs=tuple(pair for table in judged for pair in table.pairs),
        label_factors=tuple(
            factor for j in judged for factor in label_factors(j.table, j.contenders, j.names)
        ),
        speed=tuple(curve for j in judged for curve in speed_curves(j.table, j.names)),
        ranks=tuple(rank_summaries(rows, [j.names for j in judged for _ in j.rows])),
        recipes={name: s for plan in collected.plans.values() for name, s in plan.recipes.items()},
        unfinished=tuple(collected.unfinished),
        data=data,
        curves=tuple(collected.curves),
        notes=(
            *collected.notes,
            *table_notes(tables),
            *class_notes(rows, data),
            *seed_notes([named for j in judged for named in j.named_contenders]),
            *machine_notes(rows),
        ),
        runs=tuple(_sources(collected)),
        provenance=_provenance(collected.scored),
    )


@dataclass(frozen=True)
class _Judged:
    """A table with all that was found out about it.

    Attributes:
        table: what is compared.
        names: of its lines.
        contenders: its lines by label fraction.
        rows, pairs: for the document.
    """

    table: Table
    names: dict[Place, str]
    contenders: dict[float, list[Contender]]
    rows: list[Row]
    pairs: list[Pair]

    @property
    def named_contenders(self) -> list[list[tuple[str, Contender]]]:
        """The lines of every comparison with their names."""
        return [[(self.names[c.place], c) for c in lines] for lines in self.contenders.values()]


def _judge(tables: list[Table]) -> list[_Judged]:
    """All comparisons, several at a time."""
    lines = [table.at(fraction) for table in tables for fraction in table.fractions]
    compared = in_order(_compare, ((own,) for own in lines), len(lines))
    return [
        _judged(table, {fraction: next(compared) for fraction in table.fractions})
        for table in tables
    ]


def _compare(lines: dict[Place, list[Scored]]) -> tuple[list[Contender], dict[str, list[Duel]]]:
    """Scores and tests of the lines at one label fraction."""
    first = next(iter(lines.values()))[0]
    # The same draws at every fraction, so that label factors are paired too.
    weights = patient_weights(first.patients, first.targets, DRAWS)
    # There are as many processes as cores, so that no matrix product needs more than one.
    with threadpool_limits(1):
        contenders = [contender(place, runs, weights) for place, runs in lines.items()]
        return contenders, all_duels(contenders)


def _judged(
    table: Table, compared: dict[float, tuple[list[Contender], dict[str, list[Duel]]]]
) -> _Judged:
    """Rows and pairs of a table; how a line is called follows from all of its rows."""
    found: list[tuple[Row, Standing]] = []
    for contenders, duels in compared.values():
        for metric in METRICS:
            by_place = standings(contenders, metric, duels.get(metric))
            for own in best_first(contenders, metric):
                stands = by_place[own.place]
                found.append((make_row(table, own, metric, stands), stands))
    names = series_names(row for row, _ in found)
    rows = [row.model_copy(update=_others(stands, names)) for row, stands in found]
    pairs = [
        _pair(table, fraction, metric, duel, names)
        for fraction, (_, by_metric) in compared.items()
        for metric, duels in by_metric.items()
        for duel in duels
    ]
    lines = {fraction: contenders for fraction, (contenders, _) in compared.items()}
    return _Judged(table, names, lines, rows, pairs)


def _others(stands: Standing, names: dict[Place, str]) -> dict[str, Any]:
    """Fields of a row that name other lines."""
    random, supervised = stands.compared_random, stands.compared_supervised
    return {
        "tied_with": tuple(names[place] for place in stands.tied),
        "compared_random": names[random] if random else None,
        "compared_supervised": names[supervised] if supervised else None,
    }


def _pair(table: Table, fraction: float, metric: str, duel: Duel, names: dict[Place, str]) -> Pair:
    return Pair(
        **table.setting,
        label_fraction=fraction,
        metric=metric,
        a=names[duel.a],
        b=names[duel.b],
        difference=duel.difference,
        ci_low=duel.bounds.low,
        ci_high=duel.bounds.high,
        seed_std=duel.seed_std,
        p=duel.p,
        p_holm=duel.p_holm,
    )


def _data(collected: Collected) -> tuple[DataSummary, ...]:
    summaries = [
        DataSummary.model_validate(d) for plan in collected.plans.values() for d in plan.data
    ]
    return tuple({s.fingerprint: s for s in summaries}.values())


def _sources(collected: Collected) -> Iterator[RunSource]:
    """The output folders, in the order in which they were given."""
    for out, plan in collected.plans.items():
        own = [scored for scored in collected.scored if scored.out == out]
        yield RunSource(
            out=out,
            suite=plan.suite,
            created=plan.created,
            results=len(own),
            machines=tuple(dict.fromkeys(machines_of([scored]) for scored in own)),
            provenance=_provenance(own),
        )


def _provenance(scored: list[Scored]) -> dict[str, Any]:
    """The newest cell's, which is that of the run but for cells computed before it."""
    if not scored:
        return {}
    newest = max(scored, key=lambda s: s.result.provenance.get("finished", ""))
    origin = newest.result.provenance
    # A report travels: what was typed does too, but not where things lie on its author's disk.
    argv = [_without_folder(str(argument)) for argument in origin.get("argv", ())]
    return {**origin, "argv": argv, "results": len(scored)}


def _without_folder(argument: str) -> str:
    """`ptbxl=/data/ptb-xl` as `ptbxl=ptb-xl`."""
    before, equals, value = argument.rpartition("=")
    paths = (PurePosixPath(value), PureWindowsPath(value))
    return before + equals + next((path.name for path in paths if path.is_absolute()), value)
