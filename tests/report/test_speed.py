"""Score over pretraining time, and time to the same score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lcd_plugin.report.exports import to_markdown
from lcd_plugin.report.leaderboard import build_leaderboard
from lcd_plugin.report.model import SpeedCurve
from lcd_plugin.report.speed import fastest_is_known, time_to_score


def curve(name: str, score: tuple[float, ...], seconds: tuple[float, ...], **more: Any) -> Any:
    fields: dict[str, Any] = {
        "dataset": "d", "task": "t", "encoder": "e", "protocol": "linear", "method": name,
        "recipe": "", "pretrain_dataset": "d", "name": name, "n_seeds": 1, "machine": "one",
        "share": tuple(np.linspace(0.25, 1, len(score))), "score": score, "seconds": seconds,
        "records": tuple(100 * s for s in seconds),
    }  # fmt: skip
    return SpeedCurve(**fields | more)


def test_the_curve_is_the_mean_over_seeds_and_ends_with_the_finished_encoder(runs: Any):
    ends = [runs.noisy(3.0, 1), runs.noisy(3.0, 2)]
    halves = [runs.noisy(1.0, 3), runs.noisy(1.0, 4)]
    out = runs.write(
        {"lcd": ends, "random": [runs.noisy(0, 5)] * 2},
        snapshots={"lcd": [{0.5: half} for half in halves]},
        wall_s=10.0,
    )
    board = build_leaderboard([out])
    (found,) = board.speed

    def auroc(scores: list[np.ndarray]) -> np.ndarray:
        return np.array([roc_auc_score(runs.TARGETS, s, average="macro") for s in scores])

    assert found.name == "lcd"
    assert found.share == (0.5, 1.0)
    assert found.score == pytest.approx([auroc(halves).mean(), auroc(ends).mean()])
    assert found.seed_std == pytest.approx([auroc(halves).std(ddof=1), auroc(ends).std(ddof=1)])
    assert found.seconds == pytest.approx([5.25, 10.5])
    assert found.records == pytest.approx([160, 320])
    assert found.n_seeds == 2
    # A snapshot is no run of its line.
    row = next(row for row in board.rows if row.method == "lcd" and row.metric == "auroc")
    assert row.mean == pytest.approx(auroc(ends).mean())
    assert row.n_seeds == 2


def test_shares_that_a_seed_lacks_are_left_out(runs: Any):
    ends = [runs.noisy(3.0, 1), runs.noisy(3.0, 2)]
    first = {0.25: runs.noisy(1, 3), 0.5: runs.noisy(2, 4)}
    out = runs.write({"lcd": ends}, snapshots={"lcd": [first, {0.5: runs.noisy(2, 5)}]})
    assert build_leaderboard([out]).speed[0].share == (0.5, 1.0)


def test_no_snapshots_no_curve(runs: Any):
    assert build_leaderboard([runs.write({"lcd": [runs.noisy(1, 1)]})]).speed == ()


def test_time_to_the_highest_score_that_all_reach():
    slow = curve("slow", (0.5, 0.6, 0.8), (10.0, 20.0, 40.0))
    fast = curve("fast", (0.6, 0.9, 0.85), (4.0, 8.0, 16.0))
    first, second = time_to_score([slow, fast])
    assert (first.curve.name, second.curve.name) == ("fast", "slow")
    assert first.target == second.target == 0.8
    assert first.seconds == pytest.approx(4 + 4 * (0.8 - 0.6) / 0.3)
    assert first.records == pytest.approx(100 * first.seconds)
    assert second.seconds == pytest.approx(40.0)
    assert not first.at_most


def test_a_target_that_is_reached_at_once_is_a_bound():
    low = curve("low", (0.5, 0.55), (10.0, 20.0))
    high = curve("high", (0.7, 0.9), (3.0, 6.0))
    found = {t.curve.name: t for t in time_to_score([low, high])}
    assert found["high"].at_most
    assert found["high"].seconds == 3.0
    assert not found["low"].at_most


def test_a_bound_comes_before_longer_times_and_may_leave_the_fastest_open():
    exact = curve("exact", (0.5, 0.8), (2.0, 4.0))
    late = curve("late", (0.85, 0.9), (5.0, 10.0))
    early = curve("early", (0.85, 0.9), (4.0, 8.0))
    found = time_to_score([exact, late])
    assert [(t.curve.name, t.at_most) for t in found] == [("exact", False), ("late", True)]
    assert not fastest_is_known(found)  # late may have had it after one second
    found = time_to_score([exact, early])
    assert [(t.curve.name, t.at_most) for t in found] == [("early", True), ("exact", False)]
    assert fastest_is_known(found)
    assert not fastest_is_known(time_to_score([exact, early, late]))


def test_a_line_that_learned_nothing_sets_no_target(runs: Any):
    ends = {"lcd": runs.noisy(3.0, 1), "byol": runs.noisy(2.0, 2), "flat": runs.noisy(0.4, 3)}
    under_way = {
        "lcd": [{0.5: runs.noisy(1.0, 4)}], "byol": [{0.5: runs.noisy(1.0, 5)}],
        "flat": [{0.5: runs.noisy(0.3, 6)}],
    }  # fmt: skip
    scores = {name: [end] for name, end in ends.items()} | {"random": [runs.noisy(0.8, 7)]}
    board = build_leaderboard([runs.write(scores, snapshots=under_way)])
    found = time_to_score(board.speed, board.rows)
    assert {t.curve.name for t in found} == {"lcd", "byol"}
    assert {t.left_out for t in found} == {("flat",)}
    expected = roc_auc_score(runs.TARGETS, ends["byol"], average="macro")
    assert found[0].target == pytest.approx(expected)
    text = to_markdown(board)
    assert "Left out, since they end no higher than a random encoder: flat." in text
    assert "means over seeds, without an interval" in text
    # Without rows nothing is known of `random`.
    assert {t.curve.name for t in time_to_score(board.speed)} == {"lcd", "byol", "flat"}


def test_each_line_is_held_against_the_random_of_its_own_data(runs: Any):
    """Under recipe `a` random is good, under `b` bad: equal scores count there only."""
    folders = []
    for recipe, strength in (("a", 2.0), ("b", 0.0)):
        scores = {"lcd": [runs.noisy(1.0, 1)], "byol": [runs.noisy(1.2, 2)]}
        folders.append(
            runs.write(
                scores | {"random": [runs.noisy(strength, 3)]}, recipe, recipe=recipe,
                data=recipe, gamma=strength,
                snapshots={name: [{0.5: runs.noisy(0.5, 4)}] for name in scores},
            )
        )  # fmt: skip
    board = build_leaderboard(folders)
    found = time_to_score(board.speed, board.rows)
    assert {(t.curve.method, t.curve.recipe) for t in found} == {("lcd", "b"), ("byol", "b")}
    assert found[0].left_out == ("lcd (a)", "byol (a)")


def test_times_are_compared_within_one_comparison_and_machine():
    curves = [curve(n, (0.5, s), (1.0, 2.0)) for n, s in (("a", 0.9), ("b", 0.6))]
    alone = curve("c", (0.1, 0.2), (1.0, 2.0), machine="two")
    other = [curve(n, (0.1, s), (1.0, 2.0), dataset="x") for n, s in (("a", 0.3), ("b", 0.4))]
    found = time_to_score([*curves, alone, *other])
    assert {(t.curve.dataset, t.curve.name, t.target) for t in found} == {
        ("d", "a", 0.6), ("d", "b", 0.6), ("x", "a", 0.3), ("x", "b", 0.3),
    }  # fmt: skip


def test_markdown_has_the_time_to_score(runs: Any):
    under_way = {"lcd": [{0.5: runs.noisy(1, 1)}], "byol": [{0.5: runs.noisy(2, 2)}]}
    scores = {"lcd": [runs.noisy(2, 3)], "byol": [runs.noisy(3, 4)]}
    text = to_markdown(build_leaderboard([runs.write(scores, snapshots=under_way)]))
    assert "Pretraining time to a macro AUROC of" in text
    assert "| method | pretraining s | records |" in text
