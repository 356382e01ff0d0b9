from __future__ import annotations

from typing import Any

import pytest

from lcd_plugin.report.exports import to_json
from lcd_plugin.report.leaderboard import build_leaderboard


@pytest.mark.parametrize("folder", ["/home/ada/secret", r"C:\Users\ada\secret"])
def test_a_report_tells_the_command_but_no_folder_of_its_author(runs: Any, folder: str):
    sep = "\\" if "\\" in folder else "/"
    typed = [
        f"{folder}{sep}lcd-bench", "run", "ptbxl", "-d", f"ptbxl={folder}{sep}ptb-xl", "-o",
        f"{folder}{sep}out", "--set", "lcd.gamma=0.1",
    ]  # fmt: skip
    out = runs.write({"lcd": [runs.noisy(1.0, 1)]}, origin={"argv": typed})
    board = build_leaderboard([out])
    assert board.provenance["argv"] == [
        "lcd-bench", "run", "ptbxl", "-d", "ptbxl=ptb-xl", "-o", "out", "--set", "lcd.gamma=0.1",
    ]  # fmt: skip
    assert "secret" not in to_json(board)
