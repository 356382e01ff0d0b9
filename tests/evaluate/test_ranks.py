"""Average ranks against Demsar's (JMLR 2006) tables and a brute-force search for groups."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from lcd_plugin.evaluate.ranks import average_ranks, cliques, critical_difference

# Table 6 of the paper: AUC of C4.5 without and with tuning of m, of cf, and of both.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


class TestDemsarsExample:
    def test_average_ranks(self) -> None:
        ranks = average_ranks(DEMSAR)
        np.testing.assert_allclose(ranks.average_rank, [3.143, 2.000, 2.893, 1.964], atol=5e-4)

    def test_critical_difference(self) -> None:
        assert average_ranks(DEMSAR).critical_difference == pytest.approx(1.25, abs=0.005)

    def test_friedman(self) -> None:
        p = average_ranks(DEMSAR).friedman_p
        # Without correction for ties the paper has 9.28; with it the statistic is a bit larger.
        assert p is not None
        assert p < stats.chi2.sf(9.28, 3)
        assert p == pytest.approx(stats.friedmanchisquare(*DEMSAR.T).pvalue)

    def test_all_are_in_one_group_or_two(self) -> None:
        ranks = average_ranks(DEMSAR)
        assert cliques(ranks.average_rank, ranks.critical_difference) == [(3, 1, 2, 0)]
        assert cliques(ranks.average_rank, 1.16) == [(3, 1, 2), (1, 2, 0)]


@pytest.mark.parametrize(
    ("lines", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (10, 3.164)],
)
def test_q_values_are_those_of_demsars_table(lines: int, q: float) -> None:
    comparisons = 12
    scale = np.sqrt(lines * (lines + 1) / (6 * comparisons))
    assert critical_difference(lines, comparisons) / scale == pytest.approx(q, abs=1e-3)


def test_two_lines_have_no_friedman_test() -> None:
    ranks = average_ranks([[0.9, 0.8], [0.7, 0.7]])
    assert ranks.friedman_p is None
    np.testing.assert_array_equal(ranks.average_rank, [1.25, 1.75])


def test_few_comparisons_have_no_friedman_test() -> None:
    """Under equality four comparisons of three lines are no chi-square; five count as enough."""
    assert average_ranks(DEMSAR[:4]).friedman_p is None
    p = average_ranks(DEMSAR[:5]).friedman_p
    assert p == pytest.approx(stats.friedmanchisquare(*DEMSAR[:5].T).pvalue)


def test_lines_that_are_equal_everywhere() -> None:
    ranks = average_ranks(np.full((5, 3), 0.5))
    assert ranks.friedman_p == 1
    np.testing.assert_array_equal(ranks.average_rank, [2, 2, 2])


@pytest.mark.parametrize("seed", range(20))
def test_cliques_are_the_largest_groups_of_a_brute_force_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranks = rng.integers(0, 12, size=6) / 2
    difference = 1.5
    groups = [
        set(group)
        for size in range(2, 7)
        for group in combinations(range(6), size)
        if np.ptp(ranks[list(group)]) <= difference
    ]
    largest = [group for group in groups if not any(group < other for other in groups)]
    found = [set(group) for group in cliques(ranks, difference)]
    assert len(found) == len(largest)
    assert all(group in largest for group in found)


def test_lines_that_all_differ_have_no_group() -> None:
    assert cliques([1, 2, 3], 0.5) == []


@pytest.mark.parametrize("scores", [[[0.5]], [0.5, 0.6], np.empty((0, 3)), [[0.5, np.nan]]])
def test_tables_that_cannot_be_ranked_are_refused(scores: object) -> None:
    with pytest.raises(ValueError, match="Ranks need"):
        average_ranks(np.array(scores))
