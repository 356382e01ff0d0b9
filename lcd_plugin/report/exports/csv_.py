"""The leaderboard as CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping

from lcd_plugin.report.model import Leaderboard, Row
from lcd_plugin.report.plain_text import one_line

# What a spreadsheet takes for the start of a formula, at the start of a cell or, where it splits
# at semicolons, after one; the last four signs are the wide forms.
_FORMULA = re.compile("(^|; ?)(?=[-=+@\uff1d\uff0b\uff0d\uff20])")


def to_csv(board: Leaderboard) -> str:
    """One line a row, all columns but the scores by class.

    Lists are joined by `;`, phases are `name=seconds`. Text is one line, and has a `'` in front
    where a spreadsheet would run it as a formula.
    """
    text = io.StringIO()
    columns = [name for name in Row.model_fields if name != "per_class"]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in board.rows:
        writer.writerow([_cell(getattr(row, column)) for column in columns])
    return text.getvalue()


def _cell(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, tuple):
        value = ";".join(value)
    elif isinstance(value, Mapping):
        value = ";".join(f"{name}={seconds:.6g}" for name, seconds in value.items())
    return _FORMULA.sub(r"\1'", one_line(value)) if isinstance(value, str) else value
