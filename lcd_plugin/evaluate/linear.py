"""Linear probe: logistic regression on frozen, scaled features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from lcd_plugin.evaluate.protocols import Prediction, TaskKind, log_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.evaluate.settings import LinearSettings


def linear_probe(
    train: tuple[NDArray[np.float32], NDArray[np.int8]],
    validation: tuple[NDArray[np.float32], NDArray[np.int8]],
    test_features: NDArray[np.float32],
    kind: TaskKind,
    settings: LinearSettings,
) -> Prediction:
    """Fit on the labelled training records, choose the penalty on validation, score the test.

    One-vs-rest for several labels a record, multinomial for one. Scaling is that of the labelled
    training records.

    Args:
        train: features (records, features) and targets (records, classes).
        validation: the same of the validation records.
        test_features: features of the test records; their labels are not seen here.
        kind: kind of the task.
        settings: grid and solver.
    """
    scaler = StandardScaler().fit(train[0])
    x, x_validation, x_test = (
        scaler.transform(f) for f in (train[0], validation[0], test_features)
    )
    fit = _Multinomial if kind == "single-label" else _OneVsRest
    model = fit(x, train[1], settings)
    best: tuple[float, Prediction] | None = None
    for c in settings.inverse_penalties:
        model.fit(c)
        scores = model.probabilities(x_validation)
        loss = log_loss(validation[1], scores, kind)
        if best is None or loss < best[0]:
            chosen = {"inverse_penalty": c, "validation_log_loss": loss}
            best = loss, Prediction(scores, model.probabilities(x_test), chosen)
    assert best is not None, "the grid is not empty"
    return best[1]


class _OneVsRest:
    """A logistic regression for each class, each fit starting from the last penalty's solution."""

    def __init__(
        self, x: NDArray[np.float32], targets: NDArray[np.int8], settings: LinearSettings
    ) -> None:
        self._x = x
        self._columns = list(targets.T)
        self._models = [
            LogisticRegression(max_iter=settings.max_iterations, warm_start=True)
            for _ in self._columns
        ]

    def fit(self, c: float) -> None:
        for model, column in zip(self._models, self._columns, strict=True):
            model.set_params(C=c).fit(self._x, column)

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        columns = [model.predict_proba(x)[:, 1] for model in self._models]
        return np.stack(columns, axis=1).astype(np.float32)


class _Multinomial(_OneVsRest):
    """One softmax regression over all classes."""

    def __init__(
        self, x: NDArray[np.float32], targets: NDArray[np.int8], settings: LinearSettings
    ) -> None:
        self._x = x
        self._columns = [targets.argmax(axis=1)]
        self._models = [LogisticRegression(max_iter=settings.max_iterations, warm_start=True)]

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        probabilities: NDArray[np.float64] = self._models[0].predict_proba(x)
        return probabilities.astype(np.float32)
