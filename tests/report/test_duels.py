"""Ranks, ties and Holm's correction, on lines of which it is known which is better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lcd_plugin.evaluate.paired_runs import Predicted
from lcd_plugin.evaluate.permutation import paired_permutation
from lcd_plugin.report.leaderboard import build_leaderboard
from lcd_plugin.report.model import Pair


def pairs_of(board: Any, metric: str = "auroc") -> dict[tuple[str, str], Pair]:
    return {(p.a, p.b): p for p in board.pairs if p.metric == metric}


def naive_holm(p_values: list[float]) -> list[float]:
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for i, k in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        largest = max(largest, min(1.0, (len(p_values) - i) * p_values[k]))
        corrected[k] = largest
    return corrected


def test_planted_order_is_found_and_noise_is_tied(runs: Any):
    scores = {
        "best": [runs.noisy(4.0, 1), runs.noisy(4.0, 2)],
        "good": [runs.noisy(1.5, 3), runs.noisy(1.5, 4)],
        "alike": [runs.noisy(1.5, 5), runs.noisy(1.5, 6)],
        "random": [runs.noisy(0.0, 7), runs.noisy(0.0, 8)],
    }
    board = build_leaderboard([runs.write(scores)])
    rows = {row.method: row for row in board.rows if row.metric == "auroc"}
    assert {name: row.rank for name, row in rows.items()} == {
        "best": 1, "good": 2, "alike": 2, "random": 4,
    }  # fmt: skip
    assert rows["good"].tied_with == ("alike",)
    assert [row.rank for row in board.rows if row.metric == "auroc"] == [1, 2, 2, 4]
    assert all(rows[name].beats_random for name in ("best", "good", "alike"))


def test_every_pair_is_there_once_with_its_difference_and_holm_is_over_all(runs: Any):
    scores = {f"m{i}": [runs.noisy(1.0 + 0.12 * i, i)] for i in range(5)}
    board = build_leaderboard([runs.write(scores)])
    pairs = pairs_of(board)
    assert len(pairs) == 10
    means = {row.method: row.mean for row in board.rows if row.metric == "auroc"}
    for (a, b), pair in pairs.items():
        assert pair.difference == pytest.approx(means[a] - means[b])
        assert pair.difference >= 0  # the better one first
        assert pair.ci_low <= pair.difference <= pair.ci_high
    raw = [p.p for p in pairs.values()]
    assert [p.p_holm for p in pairs.values()] == pytest.approx(naive_holm(raw))
    tied = {frozenset(k) for k, p in pairs.items() if p.p_holm >= 0.05}
    for row in board.rows:
        if row.metric == "auroc":
            assert {frozenset((row.method, other)) for other in row.tied_with} == {
                pair for pair in tied if row.method in pair
            }


@pytest.mark.parametrize("metric", ["auroc", "auprc", "f1"])
def test_a_clear_lead_is_found_among_many_lines(runs: Any, metric: str):
    """153 pairs: after 2,000 swaps no corrected p-value could be below 0.05."""
    noise = {f"m{i:02}": [runs.noisy(1.0, i)] for i in range(17)}
    board = build_leaderboard([runs.write({"lead": [runs.noisy(4.0, 99)], **noise})])
    rows = {row.method: row for row in board.rows if row.metric == metric}
    assert rows["lead"].tied_with == ()
    assert sorted(row.rank for row in rows.values())[:2] == [1, 2]


def test_spread_over_seeds_of_a_difference(runs: Any):
    """Each seed the mean over its label subsets; a seed that one line lacks is left out."""
    lcd = [[runs.noisy(2.0, 10 * seed + i) for i in range(2)] for seed in range(3)]
    byol = [[runs.noisy(1.0, 50 + 10 * seed)] * 2 for seed in range(2)]
    board = build_leaderboard([runs.write({"lcd": lcd, "byol": byol}, fraction=0.1)])

    def auroc(scores: list[np.ndarray]) -> float:
        return float(np.mean([roc_auc_score(runs.TARGETS, s, average="macro") for s in scores]))

    differences = [auroc(lcd[seed]) - auroc(byol[seed]) for seed in range(2)]
    pair = pairs_of(board)["lcd", "byol"]
    assert pair.seed_std == pytest.approx(np.std(differences, ddof=1))
    alone = build_leaderboard([runs.write({"lcd": lcd[:1], "byol": byol[:1]}, "x", fraction=0.1)])
    assert pairs_of(alone)["lcd", "byol"].seed_std is None


def reordered(out: Path, drop: int | None = None) -> Path:
    """The run with its evaluations the other way round, and without those of a seed."""
    plan = json.loads((out / "plan.json").read_text())
    plan["evaluate"] = [cell for cell in plan["evaluate"][::-1] if cell["seed"] != drop]
    (out / "plan.json").write_text(json.dumps(plan))
    return out


@pytest.mark.parametrize("drop", [None, 0])
def test_runs_are_paired_by_their_seeds(runs: Any, drop: int | None):
    """Seeds that differ much, and a small lead at each: it shows in equal seeds side by side."""
    base = [runs.noisy(strength, i) for i, strength in enumerate((0.9, 0.1, 2.5))]
    lead = [scores + np.float32(0.1) * runs.TARGETS for scores in base]
    if drop is not None:
        lead[drop] = base[drop] = runs.noisy(1.3, 0)
    first = runs.write({"lcd": lead}, "a")
    board = build_leaderboard([first, reordered(runs.write({"byol": base}, "b"), drop)])
    in_order = build_leaderboard([runs.write({"lcd": lead, "byol": base}, "c")])
    (pair,) = pairs_of(board).values()
    if drop is None:
        (expected,) = pairs_of(in_order).values()
        assert pair.p == expected.p < 0.01
        assert pair.seed_std == expected.seed_std
    targets, patients = runs.TARGETS, runs.PATIENTS
    limits = np.full(2, 0.5)
    a = [Predicted(s, limits, (seed, 0)) for seed, s in enumerate(lead)]
    b = [Predicted(s, limits, (seed, 0)) for seed, s in enumerate(base) if seed != drop]
    assert pair.p == paired_permutation("auroc", targets, patients, a, b)


def test_one_line_needs_no_test(runs: Any):
    board = build_leaderboard([runs.write({"lcd": [runs.noisy(1, 1)]})])
    assert board.pairs == ()
    assert {row.rank for row in board.rows if row.metric != "ece"} == {1}


def test_a_metric_without_a_value_separates_nothing(runs: Any):
    targets = np.zeros_like(runs.TARGETS)
    scores = {"lcd": [runs.noisy(1, 1)], "byol": [runs.noisy(1, 2)]}
    board = build_leaderboard([runs.write(scores, targets=targets)])
    assert all(pair.p_holm == 1 for pair in board.pairs if pair.metric == "auroc")
    assert all(row.rank == 1 for row in board.rows if row.metric == "auroc")
