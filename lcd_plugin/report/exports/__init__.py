"""The leaderboard as Markdown, CSV, LaTeX and JSON."""

from __future__ import annotations

from lcd_plugin.report.exports.csv_ import to_csv
from lcd_plugin.report.exports.json_ import to_json
from lcd_plugin.report.exports.latex import to_latex
from lcd_plugin.report.exports.markdown import to_markdown

__all__ = ["to_csv", "to_json", "to_latex", "to_markdown"]
