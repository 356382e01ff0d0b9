"""p-values of sums under random signs, against all signs, the binomial and very many draws."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from lcd_plugin.evaluate.sign_flips import p_values

DRAWS = 400_000


def _drawn(terms: np.ndarray) -> float:
    """The share of random signs with a sum at least as large."""
    rng = np.random.default_rng(1)
    seen, as_large = abs(terms.sum()) - 1e-9, 0
    for _ in range(DRAWS // 10_000):
        signs = 2.0 * rng.integers(0, 2, (10_000, len(terms))) - 1
        as_large += (np.abs(signs @ terms) >= seen).sum()
    return as_large / DRAWS


@pytest.mark.parametrize("n", [1, 2, 5, 11])
def test_few_terms_are_all_patterns_of_signs(n: int):
    terms = np.random.default_rng(n).normal(size=(6, n)) ** 3
    signs = np.array(list(product([-1, 1], repeat=n)))
    for own, p in zip(terms, p_values(terms), strict=True):
        assert p == pytest.approx((np.abs(signs @ own) >= abs(own.sum()) - 1e-12).mean())


@pytest.mark.parametrize("n", [3, 30, 400])
@pytest.mark.parametrize("share", [0.5, 0.6, 0.8, 1.0])
def test_equal_terms_are_the_sign_test(n: int, share: float):
    positive = round(share * n)
    terms = np.where(np.arange(n) < positive, 0.1, -0.1)
    expected = min(1.0, 2 * stats.binom.sf(max(positive, n - positive) - 1, n, 0.5))
    assert p_values(terms[None])[0] == pytest.approx(expected)
    assert p_values(-terms[None])[0] == pytest.approx(expected)
    # What is zero has no sign, and the unit says nothing.
    with_nothing = np.concatenate([1e6 * terms, np.zeros(17)])
    assert p_values(with_nothing[None])[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: rng.exponential(size=n) * rng.choice([-1, 1], n),
        lambda rng, n: rng.choice([1.0, 2.0, 3.0, 5.0, 7.0], n) * rng.normal(1, 1e-3, n),
        lambda rng, n: np.where(rng.random(n) < 0.7, 1e-3, 1.0) * rng.normal(size=n),
    ],
    ids=["normal", "exponential", "nearly a lattice", "few large ones"],
)
@pytest.mark.parametrize("n", [25, 150])
@pytest.mark.parametrize("deviations", [0.3, 2.0, 3.0])
def test_many_terms_are_what_very_many_draws_give(draw, n: int, deviations: float):
    rng = np.random.default_rng(n)
    terms = np.abs(draw(rng, n))
    # Signs whose sum is about that many standard deviations of the null distribution from zero.
    flips = rng.permutation(n)
    signs = np.ones(n)
    for place in flips:
        if (signs * terms).sum() <= deviations * np.sqrt((terms**2).sum()):
            break
        signs[place] = -1
    p, expected = p_values((signs * terms)[None])[0], _drawn(signs * terms)
    noise = 3 * np.sqrt(expected * (1 - expected) / DRAWS) + 3 / DRAWS
    # On what is nearly a lattice a sum stands on one side of a step or the other.
    assert abs(p - expected) <= noise + 0.15 * expected


def test_p_values_of_random_signs_are_uniform():
    rng = np.random.default_rng(0)
    terms = rng.exponential(size=(4000, 60)) * rng.choice([-1, 1], (4000, 60))
    found = p_values(terms)
    assert stats.kstest(found, "uniform").pvalue > 0.01
    for level in (0.05, 0.01, 0.001):
        expected = stats.binom.interval(0.999, len(found), level)
        assert expected[0] <= (found <= level).sum() <= expected[1]


def test_an_order_of_terms_changes_nothing():
    rng = np.random.default_rng(0)
    terms = rng.normal(0.2, 1, size=(1, 80))
    assert p_values(terms[:, ::-1])[0] == pytest.approx(p_values(terms)[0], rel=1e-9)


def test_a_sum_of_nothing_shows_nothing():
    assert p_values(np.zeros((2, 5))).tolist() == [1, 1]
    assert p_values(np.ones((2, 0))).tolist() == [1, 1]
    assert p_values(np.ones((0, 5))).shape == (0,)


def test_terms_of_one_sign_are_as_rare_as_can_be():
    """Far beyond what matters the approximation only has to be small, and a number."""
    terms = np.random.default_rng(0).exponential(size=(3, 2000))
    found = p_values(terms)
    assert ((found >= 0) & (found < 1e-12)).all()
