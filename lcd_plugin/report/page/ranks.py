"""Average ranks over datasets and tasks: diagram, caption and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import Look, Series, rank_groups, ranks_figure, words
from lcd_plugin.report.figures.svg import clean
from lcd_plugin.report.model import AverageRanks, Place

FEW = 5  # comparisons below which the critical difference is about as large as the whole axis


@dataclass(frozen=True)
class RanksView:
    """One diagram.

    Attributes:
        ranks: its numbers.
        setting: encoder, protocol and leads.
        labels: with which share of the labels.
        picture: the figure.
        looks: colour and marker by name, of the names that are lines of a comparison.
        groups: names that cannot be told apart.
        alike: the others that a name cannot be told apart from.
        few: whether there are too few comparisons to tell much apart.
        same_data: whether some comparisons share a dataset, and so their records.
    """

    ranks: AverageRanks
    setting: str
    labels: str
    picture: Markup
    looks: Mapping[str, Look]
    groups: tuple[tuple[str, ...], ...]
    alike: Mapping[str, tuple[str, ...]]
    few: bool
    same_data: bool


def ranks_views(
    ranks: Sequence[AverageRanks], lines: Sequence[Mapping[Place, Series]]
) -> list[RanksView]:
    """One view for each.

    Args:
        ranks: of the leaderboard.
        lines: how the lines of every comparison are called and drawn.
    """
    looks = {one.name: one.look for series in lines for one in series.values()}
    return [_ranks_view(one, looks) for one in ranks]


def _ranks_view(ranks: AverageRanks, looks: Mapping[str, Look]) -> RanksView:
    leads = [] if ranks.leads == "all" else [words.leads(ranks.leads)]
    fraction = ranks.label_fraction
    groups = tuple(rank_groups(ranks))
    datasets = {name.partition(" / ")[0] for name in ranks.comparisons}
    return RanksView(
        ranks=ranks,
        setting=clean(", ".join([ranks.encoder, ranks.protocol, *leads])),
        labels="each dataset's largest share of labels"
        if fraction is None
        else words.labels(fraction),
        picture=Markup(ranks_figure(ranks, looks)),
        looks={name: looks[name] for name in ranks.names if name in looks},
        groups=groups,
        alike={
            name: tuple(
                other
                for other in ranks.names
                if other != name and any({name, other} <= set(group) for group in groups)
            )
            for name in ranks.names
        },
        few=len(ranks.comparisons) < FEW,
        same_data=len(datasets) < len(ranks.comparisons),
    )
