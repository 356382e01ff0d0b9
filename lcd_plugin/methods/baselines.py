"""What the baselines have in place of a method: an encoder that no pretraining touches."""

from __future__ import annotations

from torch import Tensor

from lcd_plugin.methods.base import Method, StepOutput


class Untrained(Method):
    """The random and supervised baselines; the host gives it no updates."""

    views = "a"

    def training_step(self, views: list[Tensor]) -> StepOutput:
        """Raise TypeError: there is nothing to learn without labels here."""
        raise TypeError("A baseline has no self-supervised training step.")
