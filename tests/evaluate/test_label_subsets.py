"""Label subsets: nested, stratified, seeded."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lcd_plugin.errors import ConfigError
from lcd_plugin.evaluate.label_subsets import label_order, label_subset, label_subsets

RECORDS = 1200


def _single(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.eye(5, dtype=np.int8)[rng.choice(5, RECORDS, p=[0.55, 0.3, 0.1, 0.04, 0.01])]


def _multi(seed: int = 0) -> np.ndarray:
    """Rare classes, one that never comes alone, and records without any."""
    rng = np.random.default_rng(seed)
    targets = rng.random((RECORDS, 4)) < [0.5, 0.2, 0.05, 0.01]
    targets[:, 0] |= targets[:, 2]
    return targets.astype(np.int8)


BOTH = pytest.mark.parametrize("targets", [_single(), _multi()], ids=["single", "multi"])


def _slow_order(targets: np.ndarray, seed: int) -> list[int]:
    """The order spelled out: at each place look at all records that are left."""
    bare = targets.sum(axis=1, keepdims=True) == 0
    classes = np.concatenate([targets, bare], axis=1)
    classes = classes[:, classes.any(axis=0)]
    shuffled = np.random.default_rng(seed).permutation(len(targets))
    left = np.ones(len(targets), dtype=bool)
    have = np.zeros(classes.shape[1])
    order = []
    for _ in range(len(targets)):
        open_classes = classes[left].any(axis=0)
        k = int(np.argmin(np.where(open_classes, have / classes.mean(axis=0), np.inf)))
        row = next(r for r in shuffled[::-1] if left[r] and classes[r, k])
        left[row] = False
        have += classes[row]
        order.append(int(row))
    return order


@BOTH
@pytest.mark.parametrize("seed", [0, 7])
def test_order_is_that_of_the_plain_search(targets: np.ndarray, seed: int) -> None:
    part = targets[:400]
    assert label_order(part, seed).tolist() == _slow_order(part, seed)


@BOTH
def test_order_is_a_permutation(targets: np.ndarray) -> None:
    assert sorted(label_order(targets, 0)) == list(range(RECORDS))


@BOTH
def test_seed_decides(targets: np.ndarray) -> None:
    assert np.array_equal(label_order(targets, 3), label_order(targets, 3))
    first, other = label_order(targets, 0)[:100], label_order(targets, 1)[:100]
    # Not only the order differs: the records themselves do.
    assert len(set(first) & set(other)) < 50


@BOTH
@pytest.mark.parametrize("seed", range(4))
def test_small_beginnings_have_every_class(targets: np.ndarray, seed: int) -> None:
    order = label_order(targets, seed)
    bare = int((targets.sum(axis=1) == 0).any())
    beginning = targets[order[: targets.shape[1] + bare]]
    assert beginning.any(axis=0).all()


@BOTH
@pytest.mark.parametrize("size", [50, 120, 400, 900])
def test_beginnings_have_the_classes_in_proportion(targets: np.ndarray, size: int) -> None:
    share = targets.mean(axis=0)
    for seed in range(3):
        beginning = targets[label_order(targets, seed)[:size]]
        # A random subset would miss by about sqrt(share * size): this is far closer.
        np.testing.assert_allclose(beginning.sum(axis=0), share * size, atol=2 + 0.03 * size)
        bare = (targets.sum(axis=1) == 0).mean()
        assert (beginning.sum(axis=1) == 0).sum() == pytest.approx(bare * size, abs=2 + 0.03 * size)


def test_stratification_is_far_closer_than_chance() -> None:
    targets = _single()
    expected = targets.mean(axis=0) * 240
    stratified, random = [], []
    for seed in range(10):
        rows = label_order(targets, seed)[:240]
        stratified.append(np.abs(targets[rows].sum(axis=0) - expected))
        rows = np.random.default_rng(seed).permutation(RECORDS)[:240]
        random.append(np.abs(targets[rows].sum(axis=0) - expected))
    assert np.max(stratified) < 2
    assert np.mean(stratified) < 0.5 * np.mean(random)


def test_every_record_of_a_class_has_its_chance() -> None:
    targets = _single()
    common = np.flatnonzero(targets[:, 0])
    seen = np.zeros(RECORDS)
    for seed in range(40):
        seen[label_order(targets, seed)[:300]] += 1
    # 40 draws of a quarter: 10 on average, never none or all.
    assert seen[common].mean() == pytest.approx(10, abs=0.5)
    assert seen[common].min() > 0
    assert seen[common].max() < 30


@BOTH
def test_subsets_are_nested(targets: np.ndarray) -> None:
    names = tuple("abcde")[: targets.shape[1]]
    subsets = [label_subset(targets, f, 0, names) for f in (0.05, 0.1, 0.5, 1.0)]
    assert [len(s) for s in subsets] == [60, 120, 600, 1200]
    for smaller, larger in itertools.pairwise(subsets):
        assert np.array_equal(larger[: len(smaller)], smaller)


@BOTH
def test_numbers_of_records_and_fractions_cut_one_order(targets: np.ndarray) -> None:
    names = tuple("abcde")[: targets.shape[1]]
    counted, share, whole = label_subsets(targets, [60, 0.05, 1.0], 3, names)
    assert np.array_equal(counted, share)
    assert np.array_equal(whole, label_order(targets, 3))
    assert np.array_equal(label_subset(targets, 60, 3, names), counted)


def test_a_number_without_a_class_or_beyond_the_records_is_named() -> None:
    names = ("norm", "mi", "sttc", "cd", "hyp")
    with pytest.raises(ConfigError, match=r"The subset of 2 .* leaves class '.*' without any"):
        label_subset(_single(), 2, 0, names)
    with pytest.raises(ConfigError, match=r"1201 labelled records .* there are 1200 training"):
        label_subset(_single(), 1201, 0, names)


@pytest.mark.parametrize("fraction", [1e-4, 1 / 1200, 3 / 1200])
def test_a_fraction_without_a_class_is_named(fraction: float) -> None:
    with pytest.raises(ConfigError) as error:
        label_subset(_single(), fraction, 0, ("norm", "mi", "sttc", "cd", "hyp"))
    message = str(error.value)
    assert f"{fraction:g}" in message
    assert "1200" in message
    assert any(f"'{name}'" in message for name in ("norm", "mi", "sttc", "cd", "hyp"))


def test_a_class_without_records_is_named() -> None:
    targets = np.array([[1, 0], [0, 0], [1, 0]], np.int8)
    with pytest.raises(ConfigError, match="'hyp' has no training record at all"):
        label_subset(targets, 1.0, 0, ("mi", "hyp"))


def test_a_class_without_negatives_is_named() -> None:
    targets = np.array([[1, 0], [1, 1], [1, 0]], np.int8)
    with pytest.raises(ConfigError, match="'mi' without a negative record"):
        label_subset(targets, 1.0, 0, ("mi", "hyp"))
