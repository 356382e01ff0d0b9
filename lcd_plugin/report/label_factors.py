"""How many labels each line saves against the baselines of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from lcd_plugin.evaluate.label_factor import estimate_factor
from lcd_plugin.report.comparisons import Table
from lcd_plugin.report.contenders import Contender, baselines_of
from lcd_plugin.report.model import LabelFactor, Place

BASELINES = ("supervised", "random")
METRIC = "auroc"

# The contenders of a table at each label fraction.
ByFraction = Mapping[float, list[Contender]]


def label_factors(
    table: Table, contenders: ByFraction, names: Mapping[Place, str]
) -> list[LabelFactor]:
    """The label factor of every line at every fraction against both baselines.

    The draws of all lines and fractions must be the same draws of patients, so that factors have
    paired intervals.

    Args:
        table: what is compared.
        contenders: its lines by label fraction.
        names: of its lines.
    """
    found = []
    for baseline in BASELINES:
        for fraction in sorted(contenders):
            for own in contenders[fraction]:
                # Without labels there is no factor; only a spoilt result says so.
                if own.kind == baseline or own.n_labels < 1:
                    continue
                curve = _curve_of(baseline, own, fraction, contenders)
                if len(curve) > 1:
                    found.append(_factor(table, own, names[own.place], fraction, baseline, curve))
    return found


def _curve_of(
    baseline: str, own: Contender, fraction: float, contenders: ByFraction
) -> list[Contender]:
    """The baseline that belongs to a line at all its numbers of labels, ascending.

    Of few records two fractions can be as many; the smaller one then stands for both.
    """
    candidates = baselines_of(own, baseline, contenders[fraction]) or [
        b for lines in contenders.values() for b in baselines_of(own, baseline, lines)
    ]
    if not candidates:
        return []
    place = candidates[0].place
    by_labels: dict[int, Contender] = {}
    for at in sorted(contenders):
        for c in contenders[at]:
            if c.place == place and c.n_labels > 0 and np.isfinite(c.mean(METRIC)):
                by_labels.setdefault(c.n_labels, c)
    return [by_labels[n_labels] for n_labels in sorted(by_labels)]


def _factor(
    table: Table, own: Contender, name: str, fraction: float, baseline: str, curve: list[Contender]
) -> LabelFactor:
    estimate = estimate_factor(
        own.n_labels,
        own.mean(METRIC),
        own.draws[METRIC],
        np.array([c.n_labels for c in curve]),
        np.array([c.mean(METRIC) for c in curve]),
        np.stack([c.draws[METRIC] for c in curve], axis=1),
    )
    return LabelFactor(
        **table.setting,
        **own.place._asdict(),
        name=name,
        baseline=baseline,
        label_fraction=fraction,
        n_labels=own.n_labels,
        **asdict(estimate),
    )
