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
                if own.kind == baseline:
                    continue
                curve = _curve_of(baseline, own, fraction, contenders)
                if len(curve) > 1:
                    found.append(_factor(table, own, names[own.place], fraction, baseline, curve))
    return found


def _curve_of(
    baseline: str, own: Contender, fraction: float, contenders: ByFraction
) -> list[Contender]:
    """The baseline that belongs to a line at all of its fractions, ascending."""
    candidates = baselines_of(own, baseline, contenders[fraction]) or [
        b for lines in contenders.values() for b in baselines_of(own, baseline, lines)
    ]
    if not candidates:
        return []
    place = candidates[0].place
    curve = [c for f in sorted(contenders) for c in contenders[f] if c.place == place]
    return [c for c in curve if np.isfinite(c.mean(METRIC))]


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
