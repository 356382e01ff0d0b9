from __future__ import annotations

import logging
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.observe import EventLog
from lcd_plugin.bench.observe.lines import Entries, LineFile


def test_each_event_is_a_line_with_what_belongs_to_it(tmp_path: Path, cells, read_lines):
    trained, scored = cells.pretrain(), cells.evaluate(0.1)
    events = EventLog(tmp_path, "host.1")
    events.run_started(version="0.1.0", cells=2)
    events.listen(CellEvent(trained, "started", worker=1))
    events.listen(cells.epoch(trained, 1, loss=float("nan")))
    events.listen(cells.trained(trained, tmp_path))
    events.listen(CellEvent(scored, "started", worker=0))
    events.listen(cells.scored(scored, 0.75))
    events.run_ended(counts={"done": 2})
    events.close()

    lines = read_lines(tmp_path / "events" / "host.1.jsonl")
    assert [line["event"] for line in lines] == [
        "run_started", "cell_started", "epoch", "cell_done", "cell_started", "cell_done",
        "run_ended",
    ]  # fmt: skip
    start, began, epoch, done, _, score, end = lines
    assert (start["version"], start["cells"]) == ("0.1.0", 2)
    assert (began["kind"], began["key"], began["title"]) == ("pretrain", trained.key, trained.title)
    assert began["worker"] == 1
    told = {name: epoch[name] for name in ("epoch", "epochs", "loss", "records_per_s")}
    assert told == {"epoch": 1, "epochs": 3, "loss": None, "records_per_s": None}
    assert 0 <= done["seconds"] < 60
    assert (done["final_loss"], done["records_per_s"]) == (0.4, 900.0)
    assert score["macro"] == {"auroc": 0.75, "f1": None}
    assert (score["n_labels"], score["message"]) == (100, "macro AUROC 0.750")
    assert end["counts"] == {"done": 2}
    for line in lines:
        at = datetime.fromisoformat(line["at"])
        assert at.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
        assert len(line["at"]) == len("2026-01-01T00:00:00.000+00:00")


def test_cells_with_a_result_get_no_line(tmp_path: Path, cells, read_lines):
    events = EventLog(tmp_path, "r")
    for seed in range(500):
        events.listen(CellEvent(cells.pretrain(seed), "cached"))
    events.listen(CellEvent(cells.pretrain(500), "elsewhere"))
    events.run_ended()
    assert [line["event"] for line in read_lines(tmp_path / "events" / "r.jsonl")] == ["run_ended"]


def test_epochs_of_a_cell_get_at_most_a_line_a_second(cells):
    now = 0.0
    entries = Entries(clock=lambda: now)
    one, other = cells.pretrain(0), cells.pretrain(1)
    times = []
    for step in range(100):
        now = step / 10
        if entries.of(cells.epoch(one, step + 1)) is not None:
            times.append(now)
    assert times == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert entries.of(cells.epoch(other, 1)) is not None


def test_how_long_a_cell_took_is_from_its_own_start(cells):
    now = 0.0
    entries, one, other = Entries(clock=lambda: now), cells.evaluate(0.1), cells.evaluate(1.0)
    entries.of(CellEvent(one, "started"))
    now = 3.0
    entries.of(CellEvent(other, "started"))
    now = 10.0
    assert entries.of(CellEvent(one, "failed", "no"))["seconds"] == 10
    assert entries.of(CellEvent(other, "done"))["seconds"] == 7
    assert entries.of(CellEvent(other, "failed", "no start"))["seconds"] is None


def test_hostile_text_stays_one_ascii_line(tmp_path: Path, cells, read_lines):
    said = "a\nb\x1b[31m\u202e\ud800\x9b" + "x" * 10_000
    events = EventLog(tmp_path, "r")
    events.listen(CellEvent(cells.pretrain(), "failed", said))
    [line] = read_lines(tmp_path / "events" / "r.jsonl")
    assert line["message"] == said[:4000]
    assert b"\x1b" not in (tmp_path / "events" / "r.jsonl").read_bytes()


def test_two_runners_write_side_by_side(tmp_path: Path, cells, read_lines):
    def work(runner: str) -> None:
        events = EventLog(tmp_path, runner)
        for seed in range(300):
            events.listen(CellEvent(cells.pretrain(seed), "started", runner))
        events.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [cells.pretrain(seed).key for seed in range(300)]
    for name in ("a", "b"):
        lines = read_lines(tmp_path / "events" / f"{name}.jsonl")
        assert [(line["key"], line["message"]) for line in lines] == [(key, name) for key in keys]


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path: Path, read_lines):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"event":"epo')
    with LineFile(path) as file:
        file.append({"event": "cell_started"})
        file.append({"event": "epoch"})
    half, *whole = path.read_bytes().splitlines()
    assert half == b'{"event":"epo'
    assert whole == [b'{"event":"cell_started"}', b'{"event":"epoch"}']


def test_a_full_disk_is_told_of_once_and_ends_nothing(
    tmp_path: Path, cells, read_lines, caplog, monkeypatch: pytest.MonkeyPatch
):
    events, written, full = EventLog(tmp_path, "r"), os.write, True

    def write(file: int, content: bytes) -> int:
        return written(file, content[:20]) if full else written(file, content)

    monkeypatch.setattr(os, "write", write)
    with caplog.at_level(logging.WARNING):
        for seed in range(3):
            events.listen(CellEvent(cells.pretrain(seed), "started"))
        full = False
        events.listen(CellEvent(cells.pretrain(3), "started"))
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text
    last = (tmp_path / "events" / "r.jsonl").read_bytes().splitlines()[-1]
    assert cells.pretrain(3).key.encode() in last
    assert last.startswith(b"{")


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path, cells, caplog):
    (tmp_path / "events").write_text("in the way")
    events = EventLog(tmp_path, "r")
    events.listen(CellEvent(cells.pretrain(), "started"))
    events.run_ended()
    events.close()
    assert len(caplog.records) == 1


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, cells):
    precious = tmp_path / "precious"
    precious.write_text("mine\n")
    (tmp_path / "out" / "events").mkdir(parents=True)
    (tmp_path / "out" / "events" / "r.jsonl").symlink_to(precious)
    EventLog(tmp_path / "out", "r").run_started()
    assert precious.read_text() == "mine\n"
