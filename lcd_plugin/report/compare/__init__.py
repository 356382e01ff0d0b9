"""Two runs against each other: what got better or worse, and what else is different."""

from lcd_plugin.report.compare.build import compare_runs
from lcd_plugin.report.compare.model import RunComparison

__all__ = ["RunComparison", "compare_runs"]
