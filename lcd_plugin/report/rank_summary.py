"""Average ranks of lines over several datasets and tasks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from lcd_plugin.evaluate.ranks import average_ranks
from lcd_plugin.report.model import AverageRanks, Place, Row

METRIC = "auroc"
# Of lines and of comparisons; average ranks of fewer say next to nothing.
FEWEST = 3

# Score by name of a line, in one comparison.
Scores = dict[str, float]


def rank_summaries(rows: Sequence[Row], names: Sequence[Mapping[Place, str]]) -> list[AverageRanks]:
    """Average ranks where three or more lines stand in three or more comparisons.

    Comparisons with one encoder, protocol and set of leads belong together. The ranks are given for
    each label fraction that all of them share; if they share none, once for the largest fraction of
    each.

    Args:
        rows: of the leaderboard.
        names: for each row the names of the lines of its table.
    """
    # setting -> comparison -> label fraction -> scores
    settings: dict[tuple[str, str, str], dict[str, dict[float, Scores]]] = defaultdict(dict)
    for row, called in zip(rows, names, strict=True):
        if row.metric == METRIC and math.isfinite(row.mean):
            fractions = settings[row.encoder, row.protocol, row.leads].setdefault(
                f"{row.dataset} / {row.task}", defaultdict(dict)
            )
            fractions[row.label_fraction][called[row.place]] = row.mean
    found = []
    for setting, comparisons in settings.items():
        if len(comparisons) >= FEWEST:
            found += _by_fraction(setting, comparisons)
    return found


def _by_fraction(
    setting: tuple[str, str, str], comparisons: dict[str, dict[float, Scores]]
) -> list[AverageRanks]:
    shared = sorted(set.intersection(*(set(fractions) for fractions in comparisons.values())))
    titles = tuple(comparisons)
    scores: dict[float | None, list[Scores]] = {
        fraction: [comparison[fraction] for comparison in comparisons.values()]
        for fraction in shared
    } or {None: [comparison[max(comparison)] for comparison in comparisons.values()]}
    ranks = [_ranks(setting, fraction, titles, table) for fraction, table in scores.items()]
    return [r for r in ranks if r is not None]


def _ranks(
    setting: tuple[str, str, str],
    fraction: float | None,
    titles: tuple[str, ...],
    table: list[Scores],
) -> AverageRanks | None:
    lines = [name for name in table[0] if all(name in scores for scores in table)]
    if len(lines) < FEWEST:
        return None
    named = dict.fromkeys(name for scores in table for name in scores)
    ranks = average_ranks([[scores[name] for name in lines] for scores in table])
    order = sorted(range(len(lines)), key=lambda i: ranks.average_rank[i])
    encoder, protocol, leads = setting
    return AverageRanks(
        encoder=encoder,
        protocol=protocol,
        leads=leads,
        label_fraction=fraction,
        metric=METRIC,
        comparisons=titles,
        names=tuple(lines[i] for i in order),
        left_out=tuple(name for name in named if name not in lines),
        average_rank=tuple(float(ranks.average_rank[i]) for i in order),
        friedman_p=ranks.friedman_p,
        critical_difference=ranks.critical_difference,
    )
