from __future__ import annotations

from pathlib import Path

from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.observe import CellLog


def test_attempts_stand_one_after_the_other(tmp_path: Path, cells, read_lines):
    cell = cells.pretrain()
    first = CellLog(tmp_path)
    first.listen(CellEvent(cell, "started", worker=0))
    first.listen(CellEvent(cell, "logged", "a warning"))
    first.listen(CellEvent(cell, "failed", "out of memory"))
    second = CellLog(tmp_path)
    second.listen(CellEvent(cell, "started", worker=1))
    second.listen(cells.epoch(cell, 1))
    second.listen(cells.trained(cell, tmp_path))

    lines = read_lines(tmp_path / "logs" / "pretrain" / f"{cell.key}.jsonl")
    assert [line["event"] for line in lines] == [
        "cell_started", "cell_logged", "cell_failed", "cell_started", "epoch", "cell_done",
    ]  # fmt: skip
    assert not any({"key", "title", "kind"} & set(line) for line in lines)
    assert [line["worker"] for line in lines[:4:3]] == [0, 1]
    assert lines[2]["message"] == "out of memory"


def test_cells_that_are_not_tried_get_no_log(tmp_path: Path, cells):
    log = CellLog(tmp_path)
    log.listen(CellEvent(cells.pretrain(0), "cached"))
    log.listen(CellEvent(cells.pretrain(1), "elsewhere"))
    log.listen(CellEvent(cells.evaluate(), "blocked", "its pretraining failed"))
    log.listen(CellEvent(cells.pretrain(2), "failed", "failed before"))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_before_any_start_is_logged_if_it_is_this_runs(tmp_path: Path, cells, read_lines):
    cell = cells.evaluate()
    result = cells.scored(cell, 0.5).result.model_copy(update={"status": "failed"})
    CellLog(tmp_path).listen(CellEvent(cell, "failed", "no encoder", result=result))
    [line] = read_lines(tmp_path / "logs" / "evaluate" / f"{cell.key}.jsonl")
    assert (line["event"], line["message"]) == ("cell_failed", "no encoder")


def test_a_log_that_cannot_be_written_is_told_of_once(tmp_path: Path, cells, caplog):
    (tmp_path / "logs").write_text("in the way")
    log = CellLog(tmp_path)
    for seed in range(3):
        log.listen(CellEvent(cells.pretrain(seed), "started"))
    assert len(caplog.records) == 1
