"""What `lcd-bench run` says at its end: what was computed, what failed, the leaderboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lcd_plugin.cli.ending import say
from lcd_plugin.cli.words import REASONS, first_titles, grouped, short
from lcd_plugin.counted import counted

if TYPE_CHECKING:
    from lcd_plugin.bench.events import RunSummary


def show_outcome(outcome: RunSummary, out: Path, as_json: bool) -> None:
    """Write the report and show how a run ended.

    Args:
        outcome: how.
        out: folder of its results.
        as_json: whether to print one JSON document.
    """
    from lcd_plugin.cli.tables import print_board
    from lcd_plugin.report.leaderboard import build_leaderboard
    from lcd_plugin.report.write import write_report

    board = build_leaderboard([out])
    written = write_report(board, out / "report")
    if as_json:
        document = {
            "schema": 1,
            "out": str(out),
            "counts": outcome.counts,
            "not_tried": outcome.not_tried,
            "failures": [{"title": t, "reason": r} for t, r in outcome.failures],
            "report": str(written[0]),
            "leaderboard": board.model_dump(mode="json", by_alias=True),
        }
        typer.echo(json.dumps(document, indent=1))
        return
    _say_counts(outcome, out)
    _say_failures(outcome.failures)
    if outcome.counts["failed"]:
        say(f"Where in the code is in the result.json of their folders in {out}.")
    if blocked := outcome.counts["blocked"]:
        say(f"{counted(blocked, 'cell')} left out, since their pretraining failed.")
    if outcome.not_tried:
        say(f"{counted(outcome.not_tried, 'cell')} not tried.")
    print_board(board)
    typer.echo(f"Report: {written[0]}")


def _say_counts(outcome: RunSummary, out: Path) -> None:
    counts, before = outcome.counts, outcome.counts["cached"]
    if before and not (
        counts["done"] or counts["elsewhere"] or outcome.failures or outcome.not_tried
    ):
        say(f"Nothing to do: all {before} cells are complete in {out}.")
    else:
        other = f", {counts['elsewhere']} by other runners" if counts["elsewhere"] else ""
        say(f"{counted(counts['done'], 'cell')} computed{other}, {before} were complete before.")


def _say_failures(failures: list[tuple[str, str]]) -> None:
    """Cells with the same reason stand together."""
    groups = list(grouped(failures).items())
    for reason, titles in groups[:REASONS]:
        if len(titles) == 1:
            say(f"Failed: {short(titles[0])}: {short(reason)}")
            continue
        say(f"Failed, {counted(len(titles), 'cell')}: {short(reason)}")
        for title in first_titles(titles):
            say(f"  {title}")
    if len(groups) > REASONS:
        say(f"and {len(groups) - REASONS:,} more reasons; `lcd-bench status` has how to go on")
