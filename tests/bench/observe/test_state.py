from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lcd_plugin.bench.events import CellEvent
from lcd_plugin.bench.observe import EventLog
from lcd_plugin.bench.observe.follow import EventFollower
from lcd_plugin.bench.observe.state import Observer
from lcd_plugin.bench.results import PretrainResult, write_result
from lcd_plugin.bench.runners import Presence, RunnerRecord, RunningCell, new_name
from lcd_plugin.bench.saved_plan import SavedCell, SavedPlan, save_plan
from lcd_plugin.errors import DataError

NOON = "2026-01-01T12:00:{:02}+00:00"


@pytest.fixture
def planned(tmp_path: Path, cells) -> Path:
    """A run with three pretrainings and two scores of each, none of which is there."""
    trained, scored = [], []
    for seed in range(3):
        cell = cells.pretrain(seed)
        common = {"method": "lcd", "kind": "pretraining", "encoder": "vgg16_1d", "dataset": "ptbxl"}
        trained.append(SavedCell(key=cell.key, title=cell.title, seed=seed, **common))
        for fraction in (0.1, 1.0):
            score = cells.evaluate(fraction, seed)
            scored.append(
                SavedCell(
                    key=score.key, title=score.title, seed=seed, protocol="linear",
                    label_fraction=fraction, pretrain_key=cell.key, **common,
                )
            )  # fmt: skip
    plan = SavedPlan(
        suite="s", created="now", protocols=("linear",), pretrain=tuple(trained),
        evaluate=tuple(scored), unavailable={}, data=(),
    )  # fmt: skip
    save_plan(tmp_path, plan)
    return tmp_path


@pytest.fixture
def fail() -> Callable[..., None]:
    def write(out: Path, cell: Any, error: str, transient: bool = False) -> None:
        result = PretrainResult(
            status="failed", key=cell.key, identity=cell.identity, error=error, transient=transient
        )
        write_result(out / "pretrain" / cell.key, result, {})

    return write


def at_work(out: Path, *running: RunningCell, jobs: int = 1) -> Presence:
    facts = {"executor": "local", "jobs": jobs, "total": 9, "running": running}
    return Presence(out, new_name(), lambda: facts)


def numbers(state: Any) -> dict[str, tuple[int, ...]]:
    """total, complete, failed, running, blocked, left."""
    return {kind: tuple(vars(counts).values()) for kind, counts in state.kinds.items()}


def test_cells_are_counted_by_how_they_are(planned: Path, cells, fail):
    cells.trained(cells.pretrain(0), planned)
    fail(planned, cells.pretrain(1), "out of memory")
    under_way = cells.pretrain(2)
    cell = RunningCell(key=under_way.key, title="t", kind="pretrain", worker=0, since="now")
    with at_work(planned, cell):
        state = Observer(planned).look()
    assert numbers(state) == {"pretrain": (3, 1, 1, 1, 0, 0), "evaluate": (6, 0, 0, 0, 2, 4)}
    assert vars(state.counts) == {
        "total": 9, "complete": 1, "failed": 1, "running": 1, "blocked": 2, "left": 4,
    }  # fmt: skip
    assert [(f.title, f.reason) for f in state.failures] == [
        (cells.pretrain(1).title, "out of memory")
    ]
    assert not state.complete
    assert not state.over


def test_a_second_look_sees_what_came_in_between(planned: Path, cells, fail):
    observer = Observer(planned)
    assert observer.look().counts.complete == 0
    for seed in range(3):
        cells.trained(cells.pretrain(seed), planned)
    assert observer.look().counts.complete == 3
    for seed in range(3):
        for fraction in (0.1, 1.0):
            score = cells.evaluate(fraction, seed)
            result = cells.scored(score, 0.5).result
            write_result(planned / "evaluate" / score.key, result, {})
    state = observer.look()
    assert state.complete
    assert state.over


def test_a_failure_that_may_pass_leaves_something_to_do(planned: Path, cells, fail):
    for seed in range(3):
        fail(planned, cells.pretrain(seed), "its node was lost", transient=seed == 0)
    assert not Observer(planned).look().over
    fail(planned, cells.pretrain(0), "its node was lost")
    assert Observer(planned).look().over


def test_a_result_that_was_changed_is_not_complete(planned: Path, cells):
    cells.trained(cells.pretrain(0), planned)
    path = planned / "pretrain" / cells.pretrain(0).key / "result.json"
    path.write_text(path.read_text().replace("0.4", "0.1"))
    assert Observer(planned).look().counts.complete == 0


class TestRunners:
    def test_one_of_this_machine_is_at_work_while_its_process_is(self, planned: Path, cells):
        code = (
            "import sys, pathlib\nfrom lcd_plugin.bench.runners import Presence, new_name\n"
            "facts = {'executor': 'local', 'jobs': 2, 'total': 9, 'running': ({'key': "
            f"'{cells.pretrain(0).key}', 'title': 't', 'kind': 'pretrain', 'worker': 0, "
            "'since': 'now'},)}\n"
            "Presence(pathlib.Path(sys.argv[1]), new_name(), lambda: facts).__enter__()\n"
            "print('here', flush=True)\nsys.stdin.read()"
        )
        other = subprocess.Popen(
            [sys.executable, "-c", code, planned], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert other.stdout.readline() == b"here\n"
        [seen] = (state := Observer(planned).look()).runners
        assert (seen.presence, seen.record.pid, seen.record.jobs) == ("at work", other.pid, 2)
        assert state.counts.running == 1
        other.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, other.pid, os.WSTOPPED)
        [seen] = (state := Observer(planned).look()).runners
        assert seen.presence == "stopped"
        assert state.counts.running == 1
        assert not state.over
        other.kill()
        other.wait()
        [seen] = (state := Observer(planned).look()).runners
        assert seen.presence == "dead"
        assert state.counts.running == 0

    def test_one_of_another_host_is_not_judged_by_a_single_look(self, planned: Path):
        name = "far.0badcafe.17.1.0"
        record = RunnerRecord(
            runner=name, host="far", pid=17, started=NOON.format(0), at=NOON.format(1), beat=3,
            executor="local", jobs=1, total=9,
        )  # fmt: skip
        (planned / "runners").mkdir()
        (planned / "runners" / f"{name}.json").write_text(record.model_dump_json())
        [seen] = Observer(planned).look().runners
        assert seen.presence == "elsewhere"


class TestTimeLeft:
    def took(self, out: Path, seconds: dict[str, float]) -> None:
        (out / "events").mkdir(exist_ok=True)
        lines = [
            {"at": NOON.format(i), "event": "cell_done", "key": key, "title": "t", "seconds": s}
            for i, (key, s) in enumerate(seconds.items())
        ]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        (out / "events" / "a.jsonl").write_text(text)

    def test_cells_take_what_their_like_took_as_many_at_a_time_as_there_are_jobs(
        self, planned: Path, cells
    ):
        cells.trained(cells.pretrain(0), planned)
        key = cells.pretrain(1).key
        cell = RunningCell(
            key=key, title="t", kind="pretrain", worker=0, since="2020-01-01T00:00:00+00:00"
        )
        score = cells.evaluate(0.1, 0)
        write_result(planned / "evaluate" / score.key, cells.scored(score, 0.5).result, {})
        with at_work(planned, jobs=2):
            assert Observer(planned).look().time_left is None
            # two pretrainings of 100 s and five scores of 10 s, two at a time
            self.took(planned, {cells.pretrain(0).key: 100, score.key: 10})
            left = Observer(planned).look().time_left
            assert (left.seconds, left.at_least) == (125, False)
            self.took(planned, {cells.pretrain(0).key: 100})
            left = Observer(planned).look().time_left
            assert (left.seconds, left.at_least) == (100, True)
        assert Observer(planned).look().time_left is None  # nobody is at work
        with at_work(planned, cell, jobs=2):  # it should have been over for years
            self.took(planned, {cells.pretrain(0).key: 100, score.key: 10})
            assert Observer(planned).look().time_left.seconds == 100

    def test_epochs_under_way_promise_the_rest(self, planned: Path, cells):
        from lcd_plugin.bench.observe.expected import time_left
        from lcd_plugin.bench.saved_plan import read_plan

        plan = read_plan(planned)
        cell = RunningCell(
            key=cells.pretrain(0).key, title="t", kind="pretrain", worker=0,
            since=NOON.format(0), epoch=3, epochs=10,
        )  # fmt: skip
        record = RunnerRecord(
            runner=new_name(), host="h", pid=1, started=NOON.format(0), at=NOON.format(30),
            beat=1, executor="local", jobs=1, total=3, running=(cell,),
        )  # fmt: skip
        # 10 s an epoch: 100 s each, of which 30 are over
        assert time_left(plan, plan.pretrain, [record], {}).seconds == pytest.approx(270)


class TestFollowing:
    def test_only_what_is_new_is_read_and_half_a_line_waits(self, tmp_path: Path, cells):
        follower, path = EventFollower(tmp_path), tmp_path / "events" / "a.jsonl"
        events = EventLog(tmp_path, "a")
        events.listen(CellEvent(cells.pretrain(0), "failed", "no"))
        follower.go_on()
        follower.go_on()
        assert [(e.title, e.status) for e in follower.last] == [(cells.pretrain(0).title, "failed")]
        line = b'{"at":"x","event":"cell_done","key":"k","title":"t","seconds":3}\n'
        with path.open("ab") as file:
            file.write(line[:30])
            file.flush()
            follower.go_on()
            assert follower.seconds == {}
            file.write(line[30:])
        follower.go_on()
        assert follower.seconds == {"k": 3}

    def test_the_newest_of_several_runners_come_first(self, tmp_path: Path):
        (tmp_path / "events").mkdir()
        for name, offset in (("a", 0), ("b", 1)):
            lines = [
                {"at": f"2026-01-01T00:{2 * i + offset:02}", "event": "cell_done", "key": "k"}
                for i in range(20)
            ]
            text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
            (tmp_path / "events" / f"{name}.jsonl").write_text(text)
        follower = EventFollower(tmp_path, most=3)
        follower.go_on()
        assert [ended.at[-2:] for ended in follower.last] == ["39", "38", "37"]

    @pytest.mark.parametrize(
        "line",
        [
            b'"event":"cell_done"', b'["event":"cell_done"]', b'{"event":"cell_done","event":3}',
            b'{"event":"cell_done","seconds":"long","at":[1],"key":{},"title":null}',
            b'{"event":"cell_done","seconds":1e999}', b'\xff"event":"cell_done"',
            b"[" * 10_000 + b'"event":"cell_done"', b"x" * 3_000_000,
        ],
    )  # fmt: skip
    def test_lines_that_make_no_sense_spoil_nothing(self, line: bytes, tmp_path: Path):
        (tmp_path / "events").mkdir()
        good = b'{"at":"x","event":"cell_done","key":"good","title":"t","seconds":3}'
        (tmp_path / "events" / "a.jsonl").write_bytes(line + b"\n" + good + b"\n")
        follower = EventFollower(tmp_path)
        follower.go_on()
        assert follower.seconds["good"] == 3

    def test_a_pipe_in_its_place_holds_nothing_up(self, tmp_path: Path):
        (tmp_path / "events").mkdir()
        os.mkfifo(tmp_path / "events" / "a.jsonl")
        thread = threading.Thread(target=EventFollower(tmp_path).go_on, daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"suite": 1}'])
def test_a_folder_that_is_no_run_is_refused(text: str | None, tmp_path: Path):
    if text is not None:
        (tmp_path / "plan.json").write_text(text)
    with pytest.raises(DataError, match=r"plan\.json"):
        Observer(tmp_path)
