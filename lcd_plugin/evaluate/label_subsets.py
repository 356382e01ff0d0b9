"""Which labels a fraction has: nested, stratified, seeded, the same for every method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lcd_plugin.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def label_order(targets: NDArray[np.int8], seed: int) -> NDArray[np.int64]:
    """An order of records whose every beginning has the classes in nearly their proportion.

    Each place goes to a random record of the class that is furthest behind its share so far, so
    the smallest subsets show every class and a larger fraction contains the smaller one. Works
    for several labels a record, after the idea of iterative stratification (Sechidis et al.,
    ECML PKDD 2011).

    Args:
        targets: shape (records, classes), 1 where a record has a class.
        seed: of the choice within a class.

    Returns:
        A permutation of the records.
    """
    rng = np.random.default_rng(seed)
    # A record without any class forms a class of its own, else it would come last.
    bare = (targets.sum(axis=1, keepdims=True) == 0).astype(np.int8)
    classes = np.concatenate([targets, bare], axis=1)
    classes = classes[:, classes.any(axis=0)]
    shuffled = rng.permutation(len(classes))
    # Lists and plain numbers: one record at a time, they are far faster than arrays.
    share = classes.mean(axis=0).tolist()
    waiting = [shuffled[classes[shuffled, k] == 1].tolist() for k in range(len(share))]
    own = [[c for c, has in enumerate(row) if has] for row in classes.tolist()]
    taken = [False] * len(classes)
    have = [0] * len(share)
    # Relative to its share: a rare class that is not there at all is the furthest behind.
    behind = [0.0] * len(share)
    order = []
    for _ in range(len(classes)):
        k = behind.index(min(behind))
        row = waiting[k].pop()
        taken[row] = True
        order.append(row)
        for c in own[row]:
            have[c] += 1
            behind[c] = have[c] / share[c]
            queue = waiting[c]
            while queue and taken[queue[-1]]:
                queue.pop()
            if not queue:
                behind[c] = float("inf")
    return np.array(order, dtype=np.int64)


def label_subsets(
    targets: NDArray[np.int8],
    amounts: Iterable[float | int],
    seed: int,
    classes: tuple[str, ...],
) -> list[NDArray[np.int64]]:
    """Rows of `targets` that each of several amounts of labels may use; one order serves all.

    Args:
        targets: shape (records, classes).
        amounts: each a share of the records in (0, 1] as a float, or a number of records as an
            int.
        seed: of `label_order`.
        classes: names of the columns, for messages.

    Returns:
        Row numbers for each amount; those of a smaller one are the first of a larger one's.

    Raises:
        ConfigError: a class would have no positive or no negative record, or there are fewer
            records than asked for.
    """
    for k, name in enumerate(classes):
        if not targets[:, k].any():
            raise ConfigError(
                f"Class '{name}' has no training record at all; take it out of the labels, or "
                f"merge it with another."
            )
    order = label_order(targets, seed)
    return [cut(targets, order, amount, classes) for amount in amounts]


def label_subset(
    targets: NDArray[np.int8], amount: float | int, seed: int, classes: tuple[str, ...]
) -> NDArray[np.int64]:
    """Rows of one amount of labels; see `label_subsets`."""
    return label_subsets(targets, [amount], seed, classes)[0]


def cut(
    targets: NDArray[np.int8],
    order: NDArray[np.int64],
    amount: float | int,
    classes: tuple[str, ...],
) -> NDArray[np.int64]:
    """The beginning of an order that an amount of labels may use; see `label_subsets`."""
    counted = isinstance(amount, int | np.integer)
    size = int(amount) if counted else round(amount * len(order))
    if size > len(order):
        raise ConfigError(
            f"{size} labelled records are asked for, but there are {len(order)} training records; "
            f"use a smaller number."
        )
    rows = order[:size]
    positives = targets[rows].sum(axis=0, dtype=np.int64)
    for count, name in zip(positives, classes, strict=True):
        if count in (0, size):
            what = (
                f"The subset of {size} labelled records out of {len(order)} training records"
                if counted
                else f"The label fraction {amount:g} is {size} of {len(order)} training records and"
            )
            raise ConfigError(
                f"{what} leaves class '{name}' without {'a negative' if count else 'any'} "
                f"record; use a larger {'number' if counted else 'fraction'}."
            )
    return rows
