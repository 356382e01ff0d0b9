"""One holder of a cell at a time, whoever comes, dies or sleeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lcd_plugin.bench import leases as module
from lcd_plugin.bench.leases import NAMELESS_S, Leases

KEYS = [f"{number:016x}" for number in range(3)]
RACE = """
import json, os, random, sys, time
from pathlib import Path
from lcd_plugin.bench.leases import Leases

out, name, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
keys, rng = json.loads(sys.argv[4]), random.Random(seed)
leases = Leases(out, name, lambda runner: runner.startswith("dead"))
log = os.open(out / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
say = lambda what, key: os.write(log, f"{what} {key} {name}\\n".encode())
held = 0
end = time.monotonic() + 2.5
while time.monotonic() < end:
    key = rng.choice(keys)
    if leases.take(key):
        say("enter", key)
        held += 1
        if rng.random() < 0.3:
            time.sleep(rng.random() * 0.002)
        say("leave", key)
        if rng.random() < 0.3:
            # As if it had died here: its claim stays, with a name that is a dead one's.
            (path,) = [p for p in (out / "leases").glob(f"{key}.*") if p.read_text() == name]
            new = path.with_name(f".{name}")
            new.write_text(f"dead-{name}")
            new.replace(path)
        leases.release(key)
    if rng.random() < 0.02:
        leases.clear_up()
leases.release_all()
print(held)
"""


def test_many_processes_race_for_few_keys(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path), f"r{n}", str(n), json.dumps(KEYS)],
            stdout=subprocess.PIPE,
        )
        for n in range(6)
    ]
    held = [int(racer.communicate(timeout=60)[0]) for racer in racers]
    assert all(racer.returncode == 0 for racer in racers)
    assert sum(held) > 100
    assert sum(count > 0 for count in held) > 3
    inside: dict[str, str] = {}
    for line in (tmp_path / "log").read_text().splitlines():
        what, key, name = line.split()
        if what == "enter":
            assert key not in inside, f"{name} and {inside[key]} have {key}"
            inside[key] = name
        else:
            assert inside.pop(key) == name
    assert not inside


def _leases(
    out: Path, name: str, dead: set[str] | None = None, clock: Callable[[], float] = lambda: 0.0
) -> Leases:
    gone = dead if dead is not None else set()
    return Leases(out, name, lambda runner: runner in gone, clock)


def _names(out: Path) -> list[str]:
    folder = out / "leases"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_key_has_one_holder_and_is_given_back(tmp_path: Path) -> None:
    one, two = _leases(tmp_path, "one"), _leases(tmp_path, "two")
    assert one.take(KEYS[0])
    assert one.holds(KEYS[0])
    assert not two.take(KEYS[0])
    assert not two.holds(KEYS[0])
    assert two.take(KEYS[1])
    one.release(KEYS[0])
    assert not one.holds(KEYS[0])
    assert two.take(KEYS[0])
    two.release_all()
    assert not (tmp_path / "leases").exists()


def test_what_the_dead_held_is_taken_over_once(tmp_path: Path) -> None:
    dead = {"gone"}
    gone = _leases(tmp_path, "gone", dead)
    assert gone.take(KEYS[0])
    others = [_leases(tmp_path, f"r{n}", dead) for n in range(3)]
    assert [other.take(KEYS[0]) for other in others] == [True, False, False]
    assert _names(tmp_path) == [f"{KEYS[0]}.1"]
    # It was not dead: what it computed is not its to write, and what is another's not to remove.
    assert not gone.holds(KEYS[0])
    gone.release(KEYS[0])
    assert others[0].holds(KEYS[0])


def test_a_living_claim_under_the_name_of_a_dead_one_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = {"gone"}
    slow, quick = _leases(tmp_path, "slow", dead), _leases(tmp_path, "quick", dead)
    third = _leases(tmp_path, "third", dead)
    assert _leases(tmp_path, "gone", dead).take(KEYS[0])
    make = slow._make

    def meanwhile(path: Path) -> None:
        # Between its look and its claim, the dead one's was taken over, given back and made anew.
        assert quick.take(KEYS[0])
        quick.release(KEYS[0])
        assert third.take(KEYS[0])
        make(path)

    monkeypatch.setattr(slow, "_make", meanwhile)
    assert not slow.take(KEYS[0])
    assert third.holds(KEYS[0])


def test_a_claim_without_a_name_is_nobodys_after_a_while(tmp_path: Path) -> None:
    now = [100.0]
    one = _leases(tmp_path, "one", clock=lambda: now[0])
    path = tmp_path / "leases" / f"{KEYS[0]}.0"
    path.parent.mkdir()
    path.touch()
    os.utime(path, (0, 0))
    assert not one.take(KEYS[0])
    now[0] += NAMELESS_S / 2
    # Somebody else's, made anew under the same name, has its own time.
    path.unlink()
    path.touch()
    assert not one.take(KEYS[0])
    now[0] += NAMELESS_S - 1
    assert not one.take(KEYS[0])
    now[0] += 2
    assert one.take(KEYS[0])
    assert _names(tmp_path) == [f"{KEYS[0]}.1"]


@pytest.mark.parametrize("years", [-30, 30])
def test_clocks_that_differ_do_no_harm(tmp_path: Path, years: int) -> None:
    one, two = _leases(tmp_path, "one"), _leases(tmp_path, "two", {"gone"})
    assert one.take(KEYS[0])
    assert _leases(tmp_path, "gone").take(KEYS[1])
    for path in (tmp_path / "leases").iterdir():
        then = path.stat().st_mtime + years * 365 * 86400
        os.utime(path, (then, then))
    assert one.holds(KEYS[0])
    assert not two.take(KEYS[0])
    assert two.take(KEYS[1])


def test_clearing_up_removes_what_the_dead_held_only(tmp_path: Path) -> None:
    dead: set[str] = set()
    for name, key in zip(("one", "two", "gone"), KEYS, strict=True):
        assert _leases(tmp_path, name, dead).take(key)
    dead.add("gone")
    _leases(tmp_path, "new", dead).clear_up()
    assert _names(tmp_path) == [f"{KEYS[0]}.0", f"{KEYS[1]}.0"]
    dead.update(("one", "two"))
    _leases(tmp_path, "new", dead).clear_up()
    assert not (tmp_path / "leases").exists()


def test_a_claim_that_cannot_be_written_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            _leases(tmp_path, "one").take(KEYS[0])
    assert _names(tmp_path) == []


def test_a_folder_that_another_clears_away_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, really = _leases(tmp_path, "one"), os.open
    first = [True]

    def opened(path: object, *rest: int) -> int:
        if first.pop() if first else False:
            (tmp_path / "leases").rmdir()
        return really(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module.os, "open", opened)
    assert one.take(KEYS[0])
    assert one.holds(KEYS[0])
