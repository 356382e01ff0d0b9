"""Figures of the report as SVG text, drawn by hand so that the page needs nothing but itself."""

from __future__ import annotations

from lcd_plugin.report.figures.bars import interval_bar
from lcd_plugin.report.figures.classes import ClassTable, class_table
from lcd_plugin.report.figures.cost import cost_figure, pareto_front
from lcd_plugin.report.figures.curves import TrainingPanel, training_panels
from lcd_plugin.report.figures.efficiency import efficiency_figure
from lcd_plugin.report.figures.looks import (
    LEARNED,
    Look,
    Series,
    assign_looks,
    series_names,
    series_of,
)

__all__ = [
    "LEARNED",
    "ClassTable",
    "Look",
    "Series",
    "TrainingPanel",
    "assign_looks",
    "class_table",
    "cost_figure",
    "efficiency_figure",
    "interval_bar",
    "pareto_front",
    "series_names",
    "series_of",
    "training_panels",
]
