"""Figures for a paper: SVG and PDF in the width of a column.

Importing this loads matplotlib, so it is imported only where the figures are asked for.
"""

from __future__ import annotations

from lcd_plugin.report.paper_figures.draw import paper_figures
from lcd_plugin.report.paper_figures.style import Paper

__all__ = ["Paper", "paper_figures"]
