"""k-NN probe: a vote of the nearest labelled records, no training at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from lcd_plugin.evaluate.protocols import Prediction, TaskKind, log_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.evaluate.settings import KNNSettings


def knn_probe(
    train: tuple[NDArray[np.float32], NDArray[np.int8]],
    validation: tuple[NDArray[np.float32], NDArray[np.int8]],
    test_features: NDArray[np.float32],
    kind: TaskKind,
    settings: KNNSettings,
) -> Prediction:
    """Share of each class among the nearest training records, by cosine of scaled features.

    Arguments are those of `linear_probe`. Numbers of neighbours beyond the training records count
    as all of them.
    """
    scaler = StandardScaler().fit(train[0])
    largest = min(max(settings.neighbours), len(train[0]))
    index = NearestNeighbors(n_neighbors=largest, metric="cosine").fit(scaler.transform(train[0]))
    nearest_validation, nearest_test = (
        index.kneighbors(scaler.transform(f), return_distance=False)
        for f in (validation[0], test_features)
    )
    best: tuple[float, Prediction] | None = None
    for k in sorted({min(k, largest) for k in settings.neighbours}):
        scores = _vote(train[1], nearest_validation[:, :k])
        loss = log_loss(validation[1], scores, kind)
        if best is None or loss < best[0]:
            chosen = {"neighbours": k, "validation_log_loss": loss}
            best = loss, Prediction(scores, _vote(train[1], nearest_test[:, :k]), chosen)
    assert best is not None, "the grid is not empty"
    return best[1]


def _vote(targets: NDArray[np.int8], nearest: NDArray[np.int64]) -> NDArray[np.float32]:
    shares: NDArray[np.float32] = targets[nearest].mean(axis=1, dtype=np.float32)
    return shares
