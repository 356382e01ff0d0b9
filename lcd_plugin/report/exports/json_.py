"""The leaderboard as JSON."""

from __future__ import annotations

from lcd_plugin.report.model import Leaderboard


def to_json(board: Leaderboard) -> str:
    """The whole document; `schema` and `rows` are what other programs rely on."""
    return board.model_dump_json(indent=1, by_alias=True)
