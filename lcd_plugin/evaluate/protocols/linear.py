"""Linear probe: logistic regression on frozen, scaled features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lcd_plugin.evaluate.logistic import fit_subsets
from lcd_plugin.evaluate.protocols.base import Prediction, Protocol, Work, log_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.evaluate.logistic import Coefficients
    from lcd_plugin.evaluate.settings import LinearSettings


def predict(work: Work, settings: LinearSettings) -> Iterator[Prediction]:
    """Fit on the labelled rows of each subset, choose the penalty on validation.

    One binary problem a class for several labels a record, one multinomial for one. Features are
    scaled by the rows that are fitted.

    Raises:
        FloatingPointError: a feature is not finite.
        ValueError: a class has no positive or no negative row in a subset.
    """
    train, validation, test = (
        _tensor(name, inputs, work.device)
        for name, inputs in (
            ("training", work.train.inputs),
            ("validation", work.validation.inputs),
            ("test", work.test_inputs),
        )
    )
    fits = fit_subsets(
        train,
        torch.from_numpy(work.train.targets).to(work.device),
        [subset.rows for subset in work.subsets],
        work.kind,
        settings.inverse_penalties,
        settings.max_iterations,
    )
    validation, test = validation.double(), test.double()  # once, not for every subset
    for fit in fits:
        scores = _probabilities(fit, validation)
        losses = [log_loss(work.validation.targets, s, work.kind) for s in scores]
        # Penalties fall along the grid: of equal losses the first has the strongest.
        best = losses.index(min(losses))
        chosen = {
            "inverse_penalty": settings.inverse_penalties[best],
            "validation_log_loss": losses[best],
        }
        yield Prediction(scores[best], _probabilities(fit, test)[best], chosen)


def _probabilities(fit: Coefficients, features: Tensor) -> NDArray[Any]:
    return fit.probabilities(features).float().cpu().numpy()


def _tensor(name: str, inputs: NDArray[Any], device: torch.device) -> Tensor:
    features = torch.from_numpy(inputs).to(device)
    if not features.isfinite().all():
        raise FloatingPointError(f"features of {name} rows are not finite")
    return features


PROTOCOL = Protocol(name="linear", reads="features", predict=predict, version=2)
