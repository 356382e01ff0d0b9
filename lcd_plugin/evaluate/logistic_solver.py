"""Many penalised logistic losses at once: their values and gradients, and L-BFGS on all of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

log = logging.getLogger(__name__)

# A problem is solved when the norm of the gradient of its mean loss, in coordinates where no
# curvature is above 1, is this share of the loss: a smaller loss is flatter, too.
TOLERANCE = 3e-7
# Steps that L-BFGS remembers.
MEMORY = 10
# Of a step, at most, and the share of the promised fall of the objective that it must bring.
HALVINGS = 30
SUFFICIENT = 1e-4
# By which two values of an objective may differ that are equal.
ROUNDING = 1e-15


@dataclass(frozen=True)
class Problems:
    """Mean penalised losses, the objective divided by C n, of uncorrelated columns.

    Points have shape (subsets, penalties, classes, coordinates), the last coordinate the intercept;
    logits (subsets, penalties, classes, rows). A log-loss curves with its logits by at most 1/4,
    and by 1/2 with those of a softmax, so that the curvature along each column is bounded (Böhning,
    Annals of the Institute of Statistical Mathematics 44, 1992). Coordinates are in units of the
    root of that bound, which leaves problems of any penalty well conditioned.

    Attributes:
        z: columns, and ones, shape (subsets, rows, coordinates).
        y: targets, shape (subsets, 1, classes, rows).
        scale: what one unit of a coordinate is, shape (subsets, penalties, 1, coordinates).
        ridge: twice the penalty on one unit, the same shape.
        joint: whether the classes share one softmax, or each is a problem of its own.
    """

    z: Tensor
    y: Tensor
    scale: Tensor
    ridge: Tensor
    joint: bool

    @classmethod
    def of(
        cls, columns: Tensor, targets: Tensor, inverse_penalties: Tensor, joint: bool
    ) -> Problems:
        """Problems of columns with mean 0, shape (subsets, rows, columns), under values of C.

        Targets are 0 or 1, shape (subsets, rows, classes).
        """
        n = columns.shape[1]
        z = F.pad(columns, (0, 1), value=1.0)
        squares = z.square().mean(dim=1)[:, None, None]
        ridge = (1 / (inverse_penalties * n))[:, None, None].repeat(len(z), 1, 1, z.shape[2])
        ridge[..., -1] = 0  # the intercept is not penalised
        scale = ((0.5 if joint else 0.25) * squares + ridge).rsqrt()
        return cls(z, targets.mT[:, None].contiguous(), scale, ridge * scale**2, joint)

    def of_penalties(self, chosen: Tensor) -> Problems:
        """The problems of some penalties."""
        return replace(self, scale=self.scale[:, chosen], ridge=self.ridge[:, chosen])

    def logits(self, point: Tensor) -> Tensor:
        """Logits of all rows; they are linear in the point."""
        return ((self.scale * point).flatten(1, 2) @ self.z.mT).view(*point.shape[:3], -1)

    def value(self, point: Tensor, logits: Tensor) -> Tensor:
        """Objective of each problem, shaped as `dot` shapes its results."""
        # Relative to the true class: no difference of large numbers makes a small loss.
        if self.joint:
            losses = (logits - (self.y * logits).sum(2, keepdim=True)).logsumexp(2, keepdim=True)
        else:
            losses = -F.logsigmoid((2 * self.y - 1) * logits)
        return losses.mean(dim=3, keepdim=True) + 0.5 * self.dot(self.ridge * point, point)

    def gradient(self, point: Tensor, logits: Tensor) -> Tensor:
        """Gradient of the objective, shaped as the point."""
        p = logits.softmax(dim=2) if self.joint else logits.sigmoid()
        residuals = (p - self.y).flatten(1, 2) / self.z.shape[1]
        slope = (residuals @ self.z).view_as(point)
        return self.scale * slope + self.ridge * point

    def dot(self, a: Tensor, b: Tensor) -> Tensor:
        """Inner products of points, one a problem; summed axes are kept with length 1."""
        return (a * b).sum(dim=(2, 3) if self.joint else 3, keepdim=True)


def minimise(problems: Problems, max_iterations: int) -> Tensor:
    """Solve all problems, each until its own gradient is small.

    A penalty whose problems are all solved takes no further part. A warning on the log says what
    is not solved after `max_iterations`.

    Returns:
        Coefficients of the columns and, last, intercepts, shape (subsets, penalties, classes,
        coordinates).
    """
    descent = _Descent(problems)
    solution = torch.empty_like(descent.point)
    running = torch.arange(solution.shape[1], device=solution.device)
    for _ in range(max_iterations):
        going = descent.unsolved().flatten(2).any(dim=2).any(dim=0)
        if not going.all():
            solution[:, running] = descent.solution()
            running = running[going]
            descent.keep(going)
            if not len(running):
                return solution
        descent.step()
    solution[:, running] = descent.solution()
    if left := int(descent.unsolved().sum()):
        log.warning(
            "Logistic regressions that have not converged after %d iterations: %d; raise "
            "linear.max_iterations, or leave out the largest of linear.inverse_penalties",
            max_iterations,
            left,
        )
    return solution


class _Descent:
    """L-BFGS on all problems side by side, from zero on; those that are solved stand still.

    Nocedal and Wright, Numerical Optimization (2006), algorithms 7.4 and 3.1.
    """

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        shape = (*problems.scale.shape[:2], problems.y.shape[2], problems.scale.shape[3])
        self.point = problems.z.new_zeros(shape)
        self.logits = problems.logits(self.point)
        self.value = problems.value(self.point, self.logits)
        self.gradient = problems.gradient(self.point, self.logits)
        # Steps, changes of the gradient by them, and one over the product of the two.
        self.memory: list[tuple[Tensor, Tensor, Tensor]] = []

    def unsolved(self) -> Tensor:
        """Which problems still have a gradient, shaped as `Problems.dot` shapes its results."""
        squares = self.problems.dot(self.gradient, self.gradient)
        return squares > (TOLERANCE * self.value) ** 2

    def solution(self) -> Tensor:
        """Where all problems are, in coefficients."""
        return self.problems.scale * self.point

    def keep(self, penalties: Tensor) -> None:
        """Go on with the problems of some penalties only."""
        self.problems = self.problems.of_penalties(penalties)
        self.point, self.logits, self.value, self.gradient = (
            t[:, penalties] for t in (self.point, self.logits, self.value, self.gradient)
        )
        self.memory = [
            (s[:, penalties], y[:, penalties], r[:, penalties]) for s, y, r in self.memory
        ]

    def step(self) -> None:
        """Take one step."""
        direction = torch.where(self.unsolved(), self._direction(), 0)
        step, change = self._along(direction)
        self.point = self.point + step
        self.logits = self.logits + change
        before, self.gradient = self.gradient, self.problems.gradient(self.point, self.logits)
        turn = self.gradient - before
        product = self.problems.dot(step, turn)
        # Where nothing moved, nothing is learned of the curvature.
        weight = torch.where(product > 0, 1 / product, 0)
        self.memory = [*self.memory, (step, turn, weight)][-MEMORY:]

    def _direction(self) -> Tensor:
        """Downhill: the gradient times an estimate of the inverse of the second derivative."""
        dot, found, shares = self.problems.dot, -self.gradient, []
        for step, turn, weight in reversed(self.memory):
            shares.append(weight * dot(step, found))
            found = found - shares[-1] * turn
        if self.memory:
            _, turn, weight = self.memory[-1]
            found = found / torch.where(weight > 0, weight * dot(turn, turn), 1)
        for (step, turn, weight), share in zip(self.memory, reversed(shares), strict=True):
            found = found + (share - weight * dot(turn, found)) * step
        return found

    def _along(self, direction: Tensor) -> tuple[Tensor, Tensor]:
        """A step, halved until the objective falls enough, and its change of the logits."""
        change = self.problems.logits(direction)
        slope = self.problems.dot(self.gradient, direction)
        length = torch.ones_like(slope)
        for _ in range(HALVINGS):
            point, logits = self.point + length * direction, self.logits + length * change
            value = self.problems.value(point, logits)
            most = self.value + SUFFICIENT * length * slope + ROUNDING
            if (value <= most).all():
                break
            length = torch.where(value <= most, length, length / 2)
        self.value = value
        return length * direction, length * change
