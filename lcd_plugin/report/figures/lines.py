"""Which line of a comparison a number belongs to."""

from __future__ import annotations

from lcd_plugin.report.model import LabelFactor, Place, SpeedCurve


def place_of(item: LabelFactor | SpeedCurve) -> Place:
    """The line that a label factor or a speed curve is of."""
    return Place(item.method, item.recipe, item.pretrain_dataset)
