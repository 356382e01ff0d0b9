"""k-NN probe: a vote of the nearest labelled rows, no training at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from lcd_plugin.evaluate.protocols.base import Prediction, Protocol, Subset, Work, log_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.evaluate.settings import KNNSettings


def predict(work: Work, settings: KNNSettings) -> Iterator[Prediction]:
    """Share of each class among the nearest labelled rows, by cosine of scaled features.

    Scaling is that of the subset. The vote has one voice more, that of the subset's class shares:
    without it a class that no neighbour has would have probability 0, and validation would choose
    the most neighbours only to escape its log-loss. All rows of the subset are every record's
    neighbours alike, so that so many are tried only where the grid has no smaller number.
    """
    for subset in work.subsets:
        yield _predict(work, subset, settings)


def _predict(work: Work, subset: Subset, settings: KNNSettings) -> Prediction:
    features, targets = work.train.inputs[subset.rows], work.train.targets[subset.rows]
    scaler = StandardScaler().fit(features)
    tried = _numbers(settings.neighbours, len(features))
    index = NearestNeighbors(n_neighbors=tried[-1], metric="cosine")
    index.fit(scaler.transform(features))
    nearest_validation, nearest_test = (
        index.kneighbors(scaler.transform(f), return_distance=False)
        for f in (work.validation.inputs, work.test_inputs)
    )
    best: tuple[float, Prediction] | None = None
    for k in tried:
        scores = _vote(targets, nearest_validation[:, :k])
        loss = log_loss(work.validation.targets, scores, work.kind)
        if best is None or loss < best[0]:
            chosen = {"neighbours": k, "validation_log_loss": loss}
            best = loss, Prediction(scores, _vote(targets, nearest_test[:, :k]), chosen)
    assert best is not None, "the grid is not empty"
    return best[1]


def _numbers(neighbours: tuple[int, ...], rows: int) -> list[int]:
    """Numbers of neighbours to try, ascending."""
    return sorted({k for k in neighbours if k < rows}) or [min(*neighbours, rows)]


def _vote(targets: NDArray[np.int8], nearest: NDArray[np.int64]) -> NDArray[np.float32]:
    """Probabilities, shape (records, classes).

    Args:
        targets: of the subset, shape (rows, classes).
        nearest: rows of it, shape (records, neighbours).
    """
    votes = targets[nearest].sum(axis=1) + targets.mean(axis=0)
    scores: NDArray[np.float32] = (votes / (nearest.shape[1] + 1)).astype(np.float32)
    return scores


PROTOCOL = Protocol("knn", "features", predict, version=2)
