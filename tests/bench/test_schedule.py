"""Every unit is given out once, and none before what it needs, whatever happens meanwhile."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lcd_plugin.bench.planned import EvaluateCell, PretrainCell
from lcd_plugin.bench.schedule import Schedule
from lcd_plugin.bench.units import Unit


def _pretraining(key: str) -> Unit:
    return Unit((_cell(PretrainCell, key),))


def _scores(key: str, needs: str | None) -> Unit:
    return Unit((_cell(EvaluateCell, key, pretrain_key=needs),))


def _cell(kind: type[Any], key: str, **fields: Any) -> Any:
    """A cell that has only what a schedule looks at."""
    cell = object.__new__(kind)
    for name, value in (fields | {"key": key}).items():
        object.__setattr__(cell, name, value)
    return cell


def _key(unit: Unit) -> str:
    return unit.cells[0].key


@st.composite
def _plans(draw: st.DrawFn) -> tuple[list[Unit], set[str]]:
    """Units as a plan has them, and the pretrainings that are there already."""
    units, there = [], set()
    for n in range(draw(st.integers(0, 5))):
        encoder = f"p{n}"
        if draw(st.booleans()):
            there.add(encoder)
        else:
            units.append(_pretraining(encoder))
        units += [_scores(f"e{n}.{i}", encoder) for i in range(draw(st.integers(0, 4)))]
    units += [_scores(f"s{i}", None) for i in range(draw(st.integers(0, 3)))]
    return units, there


@given(_plans(), st.data())
def test_each_unit_once_and_never_before_its_need(
    plan: tuple[list[Unit], set[str]], data: st.DataObject
) -> None:
    units, there = plan
    now = [0.0]
    schedule = Schedule(units, there, clock=lambda: now[0])
    slots = data.draw(st.integers(1, 3))
    busy: dict[int, Unit] = {}
    settled: Counter[str] = Counter()
    waiting: dict[str, float] = {}
    trained = set(there)
    for _ in range(1000):
        if schedule.empty and not busy:
            break
        for slot in set(range(slots)) - busy.keys():
            unit = schedule.next(slot)
            if unit is None:
                continue
            assert unit.needs is None or unit.needs in trained
            assert now[0] >= waiting.pop(_key(unit), 0.0)
            assert settled[_key(unit)] == 0
            assert _key(unit) not in [_key(u) for u in busy.values()]
            busy[slot] = unit
        # Somebody is at work, or has to wait: it is never stuck.
        assert busy or waiting
        if busy:
            slot = data.draw(st.sampled_from(sorted(busy)))
            unit = busy.pop(slot)
            end = data.draw(st.sampled_from(["done", "failed", "later", "first"]))
            if end == "later":
                waiting[_key(unit)] = now[0] + 5
                schedule.later(unit, 5)
            elif end == "first":
                schedule.first(unit)
            else:
                settled[_key(unit)] += 1
                if unit.pretraining and end == "done":
                    trained.add(_key(unit))
                    schedule.trained(_key(unit))
                elif unit.pretraining:
                    for blocked in schedule.give_up(_key(unit)):
                        assert blocked.needs == _key(unit)
                        settled[_key(blocked)] += 1
        now[0] += data.draw(st.sampled_from([0.0, 1.0, 6.0]))
        if not busy:
            now[0] += 6
    assert schedule.empty
    assert settled == Counter(_key(unit) for unit in units)


def test_scores_follow_their_pretraining_and_what_is_from_scratch_comes_last() -> None:
    units = [_scores("s", None), _pretraining("a"), _scores("a1", "a"), _pretraining("b")]
    schedule = Schedule(units, ())
    assert _key(schedule.next(0)) == "a"
    schedule.trained("a")
    order = []
    while (unit := schedule.next(0)) is not None:
        order.append(_key(unit))
    assert order == ["a1", "b", "s"]


def test_scores_of_an_encoder_go_to_the_slot_that_has_read_it() -> None:
    units = [_scores(f"{e}{n}", e) for e in "ab" for n in range(3)]
    schedule = Schedule(units, {"a", "b"})
    given_to: dict[int, list[str]] = {0: [], 1: []}
    for slot in (0, 1, 1, 0, 0, 1):
        given_to[slot].append(_key(schedule.next(slot)))
    assert given_to == {0: ["a0", "a1", "a2"], 1: ["b0", "b1", "b2"]}


def test_a_slot_without_work_of_its_own_helps() -> None:
    schedule = Schedule([_scores(f"a{n}", "a") for n in range(3)], {"a"})
    assert _key(schedule.next(0)) == "a0"
    # While others could train something, an encoder is read once; here nothing else is left.
    assert _key(schedule.next(1)) == "a1"
