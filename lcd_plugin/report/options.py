"""The choices of how a report is written; light, so that `lcd-bench --help` may load it."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What a report can be written as."""

    html = "html"
    md = "md"
    csv = "csv"
    latex = "latex"
    json = "json"
    figures = "figures"


class Scores(StrEnum):
    """How scores are written: `0.832` or `83.2`."""

    fraction = "fraction"
    percent = "percent"


class FigureWidth(StrEnum):
    """Whether a figure of a paper fills one column or two."""

    single = "single"
    double = "double"
