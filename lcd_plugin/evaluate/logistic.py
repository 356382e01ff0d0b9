"""Penalised logistic regression, solved in batch over penalties, classes and label subsets.

The solution is that of scikit-learn's `LogisticRegression` on features that `StandardScaler` has
scaled: it minimises C * (sum of log-losses) + |w|^2 / 2, the intercept not penalised. The ways
differ: all problems take their steps together, as tensors on one device, in float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lcd_plugin.evaluate.logistic_solver import Problems, minimise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.evaluate.protocols.base import TaskKind

# Directions in which the rows differ less than rounding errors do, as shares of the largest
# squared singular value.
ROUNDING = 1e-13
# Values of stacked subsets; as many are solved side by side.
STACKED = 2**25


@dataclass(frozen=True)
class Coefficients:
    """Fits to one subset, one for each penalty, for features as they are, not scaled.

    Attributes:
        weights: shape (penalties, features, classes).
        intercepts: shape (penalties, classes).
        kind: kind of the task.
    """

    weights: Tensor
    intercepts: Tensor
    kind: TaskKind

    def probabilities(self, features: Tensor) -> Tensor:
        """Of every class under every penalty.

        Args:
            features: shape (rows, features).

        Returns:
            Shape (penalties, rows, classes), in float64.
        """
        logits = features.to(self.weights) @ self.weights + self.intercepts[:, None]
        return logits.softmax(dim=2) if self.kind == "single-label" else logits.sigmoid()


def fit_subsets(
    features: Tensor,
    targets: Tensor,
    subsets: Sequence[NDArray[np.int64]],
    kind: TaskKind,
    inverse_penalties: Sequence[float],
    max_iterations: int,
) -> Iterator[Coefficients]:
    """Fit every penalty to every subset of rows, each scaled by itself.

    Subsets of equal size are solved together, and those with the same rows once.

    Args:
        features: shape (rows, features); computed on their device.
        targets: 0 or 1, shape (rows, classes).
        subsets: rows of each subset, in any order.
        kind: one binary problem a class for `multi-label`, one over all classes for `single-label`.
        inverse_penalties: values of C.
        max_iterations: of the solver; a warning on the log says what is not solved by then.

    Yields:
        The fits of each subset, in the order of `subsets`.

    Raises:
        FloatingPointError: a feature is not finite.
        ValueError: a class has no positive or no negative row in a subset.
    """
    row_sets = [np.unique(rows) for rows in subsets]
    solved: dict[bytes, Coefficients] = {}
    for rows in row_sets:
        if rows.tobytes() not in solved:
            alike = {r.tobytes(): r for r in row_sets if len(r) == len(rows)}
            at_once = max(1, STACKED // (len(rows) * features.shape[1]))
            stack = [r for key, r in alike.items() if key not in solved][:at_once]
            places = torch.from_numpy(np.stack(stack)).to(features.device)
            fits = _fit_stack(
                features[places].double(), targets[places], kind, inverse_penalties, max_iterations
            )
            solved.update((r.tobytes(), fit) for r, fit in zip(stack, fits, strict=True))
        yield solved[rows.tobytes()]


def fit_logistic(
    features: Tensor,
    targets: Tensor,
    kind: TaskKind,
    inverse_penalties: Sequence[float],
    max_iterations: int,
) -> Coefficients:
    """Fit every penalty to all rows; arguments and errors are those of `fit_subsets`."""
    rows = [np.arange(len(features))]
    return next(fit_subsets(features, targets, rows, kind, inverse_penalties, max_iterations))


def _fit_stack(
    x: Tensor,
    targets: Tensor,
    kind: TaskKind,
    inverse_penalties: Sequence[float],
    max_iterations: int,
) -> list[Coefficients]:
    """Fit subsets of equal size: features (subsets, rows, features), targets to match."""
    _check(x, targets)
    mean = x.mean(dim=1, keepdim=True)
    spread = x.std(dim=1, keepdim=True, correction=0)
    # As for scikit-learn, what differs by no more than the mean's rounding error is constant.
    constant = spread <= x.shape[1] * torch.finfo(x.dtype).eps * mean.abs()
    spread = torch.where(constant, 1, spread)
    scores, axes = _rotated((x - mean) / spread)
    # Softmax over two classes is one binary problem, and scikit-learn penalises it as one.
    two = kind == "single-label" and targets.shape[2] == 2
    y = targets[:, :, 1:] if two else targets
    penalties = torch.tensor(inverse_penalties, dtype=x.dtype, device=x.device)
    joint = kind == "single-label" and not two
    found = minimise(Problems.of(scores, y.to(x.dtype), penalties, joint), max_iterations)
    weights = torch.einsum("bdr,bpkr->bpdk", axes / spread.mT, found[..., :-1])
    intercepts = found[..., -1] - torch.einsum("bd,bpdk->bpk", mean[:, 0], weights)
    if two:
        weights, intercepts = F.pad(weights, (1, 0)), F.pad(intercepts, (1, 0))
    return [Coefficients(w, b, kind) for w, b in zip(weights, intercepts, strict=True)]


def _check(x: Tensor, targets: Tensor) -> None:
    if not x.isfinite().all():
        raise FloatingPointError("features of labelled training rows are not finite")
    positives = targets.sum(dim=1, dtype=torch.int64)
    for name, missing in (("positive", positives == 0), ("negative", positives == x.shape[1])):
        if missing.any():
            column = int(missing.nonzero()[0, 1])
            raise ValueError(
                f"column {column} of the targets has no {name} row among the {x.shape[1]} of a "
                f"subset, so nothing can be learned of it"
            )


def _rotated(x: Tensor) -> tuple[Tensor, Tensor]:
    """Principal components of rows: the same fits, with uncorrelated columns and often fewer.

    The penalty does not see a rotation, and no solution has a part outside the space of the rows.

    Args:
        x: shape (subsets, rows, features), columns with mean 0.

    Returns:
        Scores (subsets, rows, components) and axes (subsets, features, components).
    """
    if x.shape[1] > x.shape[2]:
        axes = torch.linalg.eigh(x.mT @ x).eigenvectors
    else:
        squares, left = torch.linalg.eigh(x @ x.mT)
        # With mean 0, at least one direction has no spread.
        used = squares > ROUNDING * squares[:, -1:]
        axes = x.mT @ (left * torch.where(used, squares.rsqrt(), 0)[:, None])
    return x @ axes, axes
