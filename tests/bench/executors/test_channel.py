"""What comes over the socket of a worker, and what does not: nobody but its cell waits for it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lcd_plugin.bench.executors import local
from lcd_plugin.bench.executors.local import LocalExecutor
from lcd_plugin.bench.executors.messages import Message, Over, Started
from lcd_plugin.bench.executors.order import WorkOrder
from lcd_plugin.bench.faults import Fault
from lcd_plugin.bench.planned import EvaluateCell
from lcd_plugin.bench.units import Unit

pytestmark = pytest.mark.skipif(os.name != "posix", reason="workers need POSIX")

# What runs in place of a worker. A sentence is the number of its parts and the parts.
HEAD = """
import json, os, signal, sys, time
from multiprocessing.connection import Connection

run = Connection(int(sys.argv[-1]))

def say(kind, **content):
    run.send_bytes((1).to_bytes(4, "little"))
    run.send_bytes(json.dumps({"message": kind, **content}).encode())

def greet():
    run.recv_bytes()
    run.send_bytes(b"0.25")
    return [cell["label_seed"] for cell in json.loads(run.recv_bytes())["cells"]]

"""
Pretend = Callable[..., LocalExecutor]
# Of the cells with these label seeds.
A, B = 0, 1


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretend]:
    """Makes executors whose workers run a script, in which `KEYS` are those of two cells."""
    made = []

    def make(script: str, note: str = "", memory_gb: float | None = None, **more: float) -> Pretend:
        keys = [cell.key for cell in _unit(A, B).cells]
        (tmp_path / "script.py").write_text(f"{HEAD}\nKEYS = {keys}\n{script}")
        program = tmp_path / "python"
        program.write_text(f'#!/bin/sh\nexec {python} -S {tmp_path}/script.py "$@"\n')
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))
        order = WorkOrder(
            suite={"note": note}, precision="fp32", device="cpu", root=tmp_path, recipes={},
            memory_gb=memory_gb,
        )  # fmt: skip
        made.append(LocalExecutor(order, 2, **more))
        return made[-1]

    python = sys.executable
    yield make
    for executor in made:
        executor.close()


def _unit(*label_seeds: int) -> Unit:
    return Unit(
        tuple(
            EvaluateCell(
                common={}, recipe="", method="m", encoder="e", dataset="d", task="t",
                protocol="linear", leads="all", label_fraction=1.0, label_seed=label_seed, seed=0,
                snapshot=None, pretrain_key="p", pretrain_dataset="d",
            )
            for label_seed in label_seeds
        )
    )  # fmt: skip


def _hear(executor: LocalExecutor, units: int = 1) -> dict[int, list[Message]]:
    """What is said of units until they are over, by slot."""
    heard: dict[int, list[Message]] = {}
    over: set[int] = set()

    def sink(slot: int, message: Message) -> None:
        heard.setdefault(slot, []).append(message)
        if isinstance(message, Over):
            over.add(slot)

    end = time.monotonic() + 20
    while len(over) < units:
        assert time.monotonic() < end, heard
        executor.wait(0.2, sink)
    return heard


def _fault(said: list[Message]) -> Fault:
    assert isinstance(said[-1], Over)
    assert said[-1].fault is not None
    return said[-1].fault


def test_half_a_message_costs_its_cell_and_no_other(pretend: Pretend) -> None:
    executor = pretend(
        """
if greet() == [0]:
    os.write(run.fileno(), b"\\0\\0\\1\\0half")
    time.sleep(3600)
time.sleep(0.5)
say("Started", key=KEYS[1])
say("Over", fault=None)
time.sleep(3600)
""",
        time_s=9.0,
    )
    executor.start(0, _unit(A))
    executor.start(1, _unit(B))
    # In place of what it has for its imports.
    executor._workers[0].set_deadline(1.0)
    heard = _hear(executor, 2)
    assert heard[1] == [Started(_unit(B).cells[0].key), Over(None)]
    assert _fault(heard[0]).kind == "time"


@pytest.mark.parametrize(
    "script",
    [
        "greet(); run.send_bytes(b'nonsense')",
        "greet(); run.send_bytes(bytes(4))",
        "greet(); run.send_bytes(b'\\1\\0\\0\\0'); run.send_bytes(b'abc')",
        "greet(); say('Sung', key=KEYS[0])",
        "greet(); say('Started', tone=3)",
        "greet(); os.write(run.fileno(), b'\\xff' * 4 + b'\\x7f' * 8)",
        "run.recv_bytes(); run.send_bytes(b'hello')",
    ],
)
def test_what_is_no_message_is_the_end_of_the_worker(script: str, pretend: Pretend) -> None:
    executor = pretend(f"{script}\nfor _ in range(9999): run.send_bytes(b'abc')\ntime.sleep(3600)")
    executor.start(0, _unit(A))
    fault = _fault(_hear(executor)[0])
    assert (fault.kind, fault.reason) == ("crashed", "it wrote to the channel of its worker")


def test_a_worker_that_hangs_up_and_lives_is_ended(
    pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "DYING_S", 0.2)
    executor = pretend("greet(); run.close(); time.sleep(3600)")
    executor.start(0, _unit(A))
    fault = _fault(_hear(executor)[0])
    assert (fault.kind, fault.reason) == ("crashed", "it closed the channel of its worker")


def test_a_worker_that_listens_to_nothing_is_not_waited_for(pretend: Pretend) -> None:
    executor = pretend("time.sleep(3600)", note="much " * 10**6)
    began = time.monotonic()
    executor.start(0, _unit(A))
    executor.wait(0.1, lambda slot, message: None)
    said: list[Message] = []
    executor.stop(0.1, lambda slot, message: said.append(message))
    assert [_fault(said).kind] == ["stopped"]
    assert time.monotonic() - began < 5


def test_a_worker_is_gone_though_its_child_has_the_socket(pretend: Pretend) -> None:
    executor = pretend(
        """
greet()
say("Started", key=KEYS[0])
if os.fork():
    os._exit(7)
os.setsid()
time.sleep(5)
"""
    )
    executor.start(0, _unit(A))
    began = time.monotonic()
    started, over = _hear(executor)[0]
    assert started == Started(_unit(A).cells[0].key)
    assert _fault([over]).reason == "it ended its process with code 7"
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(
    ("end", "kind"), [("os._exit(3)", "crashed"), ("os.kill(os.getpid(), 9)", "killed")]
)
def test_what_ends_a_worker_before_the_first_cell_concerns_all(
    prepared: bool, end: str, kind: str, pretend: Pretend
) -> None:
    said = f"say('Prepared', key=KEYS[0]); say('Started', key=KEYS[{B}])" if prepared else ""
    executor = pretend(f"greet()\nsay('Started', key=KEYS[0]); {said}\n{end}")
    executor.start(0, _unit(A, B))
    fault = _fault(_hear(executor)[0])
    assert (fault.kind, fault.whole) == (kind, kind == "crashed" and not prepared)


@pytest.mark.parametrize(
    ("words", "end", "limit", "kind"),
    [
        ("MemoryError", "os._exit(1)", None, "memory"),
        ("terminate called: std::bad_alloc", "os.abort()", None, "memory"),
        # Said, and got over, long before somebody else ended it.
        ("MemoryError", "os.kill(os.getpid(), 9)", None, "killed"),
        ("libgomp: Thread creation failed", "os._exit(1)", None, "crashed"),
        ("libgomp: Thread creation failed", "os._exit(1)", 0.5, "memory"),
        ("no reason", "os._exit(1)", 0.5, "crashed"),
    ],
)
def test_which_ends_are_for_want_of_memory(
    words: str, end: str, limit: float | None, kind: str, pretend: Pretend
) -> None:
    executor = pretend(f"greet()\nprint({words!r}, flush=True)\n{end}", memory_gb=limit)
    executor.start(0, _unit(A))
    fault = _fault(_hear(executor)[0])
    assert fault.kind == kind
    named = "it needed more than the --memory-limit of 0.5 GB, of which imports take about 0.25 GB"
    assert fault.reason.startswith(named) == (kind == "memory" and limit is not None)


def test_what_a_cell_says_when_it_is_over_is_nobody_s(pretend: Pretend) -> None:
    executor = pretend(
        """
greet()
for late in range(2):
    say("Over", fault=None)
    say("Said", key=KEYS[0], level=0, text="late")
    run.recv_bytes()
"""
    )
    executor.start(0, _unit(A))
    _hear(executor)
    executor.start(0, _unit(B))
    assert _hear(executor) == {0: [Over(None)]}


def test_a_worker_that_dies_with_nothing_to_do_costs_no_cell(pretend: Pretend) -> None:
    executor = pretend("greet()\nsay('Over', fault=None)")
    for _ in range(2):
        executor.start(0, _unit(A))
        assert _hear(executor) == {0: [Over(None)]}
        executor.wait(5, lambda slot, message: pytest.fail("said something"))
