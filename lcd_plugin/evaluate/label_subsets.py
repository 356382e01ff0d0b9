"""Which labels a fraction has: nested, stratified, seeded, the same for every method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lcd_plugin.errors import ConfigError

if TYPE_CHECKING:
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
    share = classes.mean(axis=0)
    shuffled = rng.permutation(len(classes))
    waiting = [list(shuffled[classes[shuffled, k] == 1]) for k in range(classes.shape[1])]
    taken = np.zeros(len(classes), dtype=bool)
    have = np.zeros(classes.shape[1])
    order = []
    for _ in range(len(classes)):
        for queue in waiting:
            while queue and taken[queue[-1]]:
                queue.pop()
        # Relative to its share: a rare class that is not there at all is the furthest behind.
        behind = [have[k] / share[k] if waiting[k] else np.inf for k in range(len(waiting))]
        row = waiting[int(np.argmin(behind))].pop()
        taken[row] = True
        have += classes[row]
        order.append(row)
    return np.array(order, dtype=np.int64)


def label_subset(
    targets: NDArray[np.int8], fraction: float, seed: int, classes: tuple[str, ...]
) -> NDArray[np.int64]:
    """Rows of `targets` that a label fraction may use.

    Args:
        targets: shape (records, classes).
        fraction: share of the records, in (0, 1].
        seed: of `label_order`.
        classes: names of the columns, for messages.

    Returns:
        Row numbers; those of a smaller fraction are the first of a larger one's.

    Raises:
        ConfigError: a class would have no positive or no negative record.
    """
    size = round(fraction * len(targets))
    rows = label_order(targets, seed)[:size]
    positives = targets[rows].sum(axis=0)
    for k, name in enumerate(classes):
        if not targets[:, k].any():
            raise ConfigError(
                f"Class '{name}' has no training record at all; take it out of the labels, or "
                f"merge it with another."
            )
        if positives[k] == 0 or positives[k] == size:
            raise ConfigError(
                f"The label fraction {fraction:g} is {size} of {len(targets)} training records and "
                f"leaves class '{name}' without {'any' if positives[k] == 0 else 'a negative'} "
                f"record; use a larger fraction."
            )
    return rows
