"""The report as one HTML file: what the templates show, comparison by comparison."""

from __future__ import annotations

from lcd_plugin.report.page.render import render_page

__all__ = ["render_page"]
