"""Average ranks over datasets and tasks: diagram, caption and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lcd_plugin.report.figures import Look, Series, rank_groups, ranks_figure, words
from lcd_plugin.report.model import AverageRanks, Place
from lcd_plugin.report.page.groups import Comparison, setting_of

FEW = 5  # comparisons below which the critical difference is about as large as the whole axis


@dataclass(frozen=True)
class RanksView:
    """One diagram.

    Attributes:
        ranks: its numbers.
        setting: encoder, protocol, leads and the pretraining dataset that all of it shares.
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
    ranks: Sequence[AverageRanks],
    groups: Sequence[Comparison],
    lines: Sequence[Mapping[Place, Series]],
) -> list[RanksView]:
    """One view for each.

    Args:
        ranks: of the leaderboard.
        groups: the comparisons.
        lines: of each, how its lines are drawn.
    """
    looks = {
        name: series[place].look
        for group, series in zip(groups, lines, strict=True)
        for place, full in group.names.items()
        for name in (full, group.shown[place])
    }
    return [_ranks_view(*_in_short(one, groups), looks) for one in ranks]


def _in_short(ranks: AverageRanks, groups: Sequence[Comparison]) -> tuple[AverageRanks, str]:
    """The ranks with the names of the page, and the source that these leave out.

    Names stay as they are where the comparisons do not all leave out the same.
    """
    own = [
        group
        for group in groups
        if f"{group.dataset} / {group.task}" in ranks.comparisons
        and (group.encoder, group.protocol, group.leads)
        == (ranks.encoder, ranks.protocol, ranks.leads)
    ]
    sources = {group.source for group in own}
    if len(sources) != 1:
        return ranks, ""
    called = {name: short for group in own for name, short in group.called.items()}
    names, left_out = (
        tuple(called.get(name, name) for name in some) for some in (ranks.names, ranks.left_out)
    )
    return ranks.model_copy(update={"names": names, "left_out": left_out}), sources.pop()


def _ranks_view(ranks: AverageRanks, source: str, looks: Mapping[str, Look]) -> RanksView:
    fraction = ranks.label_fraction
    groups = tuple(rank_groups(ranks))
    datasets = {name.partition(" / ")[0] for name in ranks.comparisons}
    return RanksView(
        ranks=ranks,
        setting=setting_of(ranks, source),
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
