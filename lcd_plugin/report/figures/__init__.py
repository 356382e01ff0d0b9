"""Figures of the report as SVG text, drawn by hand so that the page needs nothing but itself."""

from __future__ import annotations

from lcd_plugin.report.figures.bars import interval_bar
from lcd_plugin.report.figures.classes import ClassTable, class_table
from lcd_plugin.report.figures.cost import cost_figure, cost_front, counts_as_none, pareto_front
from lcd_plugin.report.figures.curves import TrainingPanel, training_panels
from lcd_plugin.report.figures.efficiency import efficiency_figure
from lcd_plugin.report.figures.factor import factor_figure
from lcd_plugin.report.figures.items import has_interval, lower_is_better, merit, place_of
from lcd_plugin.report.figures.looks import (
    LEARNED,
    Look,
    Series,
    assign_looks,
    series_names,
    series_of,
    shared_source,
    short_names,
)
from lcd_plugin.report.figures.phases import PhaseLine, ordered_phases, phases_figure
from lcd_plugin.report.figures.ranks import rank_groups, ranks_figure
from lcd_plugin.report.figures.speed import speed_figure

__all__ = [
    "LEARNED",
    "ClassTable",
    "Look",
    "PhaseLine",
    "Series",
    "TrainingPanel",
    "assign_looks",
    "class_table",
    "cost_figure",
    "cost_front",
    "counts_as_none",
    "efficiency_figure",
    "factor_figure",
    "has_interval",
    "interval_bar",
    "lower_is_better",
    "merit",
    "ordered_phases",
    "pareto_front",
    "phases_figure",
    "place_of",
    "rank_groups",
    "ranks_figure",
    "series_names",
    "series_of",
    "shared_source",
    "short_names",
    "speed_figure",
    "training_panels",
]
