"""Figures of the report as SVG text, drawn by hand so that the page needs nothing but itself."""

from __future__ import annotations

from lcd_plugin.report.figures.bars import interval_bar
from lcd_plugin.report.figures.classes import ClassTable, class_table
from lcd_plugin.report.figures.cost import cost_figure, cost_front, pareto_front
from lcd_plugin.report.figures.curves import TrainingPanel, training_panels
from lcd_plugin.report.figures.efficiency import efficiency_figure
from lcd_plugin.report.figures.factor import factor_figure
from lcd_plugin.report.figures.intervals import has_interval
from lcd_plugin.report.figures.lines import place_of
from lcd_plugin.report.figures.looks import (
    LEARNED,
    Look,
    Series,
    assign_looks,
    series_names,
    series_of,
)
from lcd_plugin.report.figures.merit import lower_is_better, merit
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
    "speed_figure",
    "training_panels",
]
