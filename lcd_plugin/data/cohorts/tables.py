"""Label tables as datasets publish them: CSV files whose columns we rely on."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lcd_plugin.errors import DataError, suggest


def read_table(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    """Read a CSV file as text and check that it has `columns`.

    Raises:
        DataError: the file is missing, is no CSV or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"There is no {path.name} in {path.parent}; is that the right folder?")
    try:
        with warnings.catch_warnings():
            # Rows with a field too many would otherwise shift into the next column.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, encoding_errors="replace", index_col=False
            )
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        raise DataError(f"{path} cannot be read as a CSV file: {error}") from error
    for column in columns:
        if column not in table.columns:
            near = suggest(column, [str(c) for c in table.columns])
            raise DataError(f"{path} has no column '{column}'{near}")
    return table
