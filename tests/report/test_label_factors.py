"""Labels saved against the baselines, on curves that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lcd_plugin.report.exports import to_markdown
from lcd_plugin.report.leaderboard import build_leaderboard
from lcd_plugin.report.model import LabelFactor, Leaderboard

FRACTIONS = (0.01, 0.1, 1.0)


def board_of(runs: Any, strengths: dict[str, tuple[float, ...]], **settings: Any) -> Leaderboard:
    """Lines whose scores follow the labels so much at each fraction, with the same noise."""
    folders = [
        runs.write(
            {name: [runs.noisy(at[i], 1)] for name, at in strengths.items()},
            f"f{i}",
            fraction=fraction,
            **settings,
        )
        for i, fraction in enumerate(FRACTIONS)
    ]
    return build_leaderboard(folders)


def factors_of(
    board: Leaderboard, name: str, baseline: str = "supervised"
) -> dict[float, LabelFactor]:
    return {
        f.label_fraction: f
        for f in board.label_factors
        if f.name == name and f.baseline == baseline
    }


def test_a_line_like_the_baseline_has_factor_one(runs: Any):
    curve = (0.5, 1.0, 2.0)
    factors = factors_of(board_of(runs, {"lcd": curve, "supervised": curve}), "lcd")
    assert list(factors) == list(FRACTIONS)
    for factor in factors.values():
        assert factor.factor == pytest.approx(1.0)
        assert factor.bound == "exact"


def test_a_line_that_reaches_with_a_tenth_what_the_baseline_has_with_all(runs: Any):
    board = board_of(runs, {"lcd": (1.0, 2.0, 3.0), "supervised": (0.5, 1.0, 2.0)})
    factors = factors_of(board, "lcd")
    assert factors[0.01].factor == pytest.approx(10)
    assert factors[0.1].factor == pytest.approx(10)
    assert (factors[1.0].factor, factors[1.0].bound) == (pytest.approx(1.0), "more")
    # Both have the same predictions there, hence the same score in every paired draw.
    assert (factors[0.01].ci_low, factors[0.01].ci_high) == pytest.approx((10, 10))
    text = to_markdown(board)
    assert "how many times more labels 'supervised' needs" in text
    assert "10× [10, 10]" in text
    assert "| more than 1×" in text


def test_both_baselines_are_read_and_neither_against_itself(runs: Any):
    strengths = {"lcd": (2.0, 3.0, 4.0), "random": (0.2, 0.4, 0.8), "supervised": (0.1, 0.5, 2.0)}
    board = board_of(runs, strengths)
    assert {(f.name, f.baseline) for f in board.label_factors} == {
        ("lcd", "supervised"),
        ("random", "supervised"),
        ("lcd", "random"),
        ("supervised", "random"),
    }
    assert factors_of(board, "random")[1.0].factor < 1


def test_one_fraction_is_no_curve(runs: Any):
    scores = {"lcd": [runs.noisy(2, 1)], "supervised": [runs.noisy(1, 1)]}
    assert build_leaderboard([runs.write(scores)]).label_factors == ()


def test_a_baseline_of_other_data_is_not_read(runs: Any):
    folders = []
    for i, fraction in enumerate(FRACTIONS):
        baseline = {"supervised": [runs.noisy(1 + i, 1)]}
        folders.append(runs.write(baseline, f"a{i}", fraction=fraction, recipe="x", data="d2"))
        line = {"lcd": [runs.noisy(1 + i, 1)]}
        folders.append(runs.write(line, f"b{i}", fraction=fraction, recipe="y", data="d1"))
    assert build_leaderboard(folders).label_factors == ()


def test_one_patient_has_no_interval(runs: Any):
    strengths = {"lcd": (1.0, 2.0, 3.0), "supervised": (0.5, 1.0, 2.0)}
    board = board_of(runs, strengths, patients=np.full(runs.N, "p"))
    factor = factors_of(board, "lcd")[0.01]
    assert factor.factor == pytest.approx(10)
    assert np.isnan([factor.ci_low, factor.ci_high]).all()
    assert "| 10\u00d7 |" in to_markdown(board)


def test_two_fractions_of_equally_many_labels_are_one_point_of_the_curve(runs: Any):
    """Of few records 1 % and 1.2 % are as many."""
    scores = {"lcd": [runs.noisy(2.0, 1)], "supervised": [runs.noisy(1.0, 1)]}
    few = [0.01, 0.0104, 1.0]  # the writer rounds shares of 1,000 records
    folders = [runs.write(scores, f"f{f}", fraction=f) for f in few]
    factors = factors_of(build_leaderboard(folders), "lcd")
    assert [factors[f].n_labels for f in few] == [10, 10, 1000]
    assert factors[0.01].factor == factors[0.0104].factor


def test_results_without_labels_have_no_factor(runs: Any):
    scores = {"lcd": [runs.noisy(2.0, 1)], "supervised": [runs.noisy(1.0, 1)]}
    folders = [runs.write(scores, f"f{f}", fraction=f) for f in (0.0001, 0.1, 1.0)]
    assert set(factors_of(build_leaderboard(folders), "lcd")) == {0.1, 1.0}
