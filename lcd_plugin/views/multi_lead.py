"""The multilead view generator: a batch of records in, augmented single-lead views out."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from lcd_plugin.views.augment import check_range, random_resized_crop, time_out
from lcd_plugin.views.leads import ALL_LEADS, check_pattern, draw_leads, take_leads


class MultiLeadViews:
    """Random lead choice, random resized crop and time-out, for a whole batch on its device.

    Only the chosen leads are augmented: three single-lead views of 12-lead records cost three
    leads of work, not thirty-six. Augmentations are those of LCD (Liu et al., Applied Soft
    Computing 172 (2025) 112871).

    Args:
        pattern: one letter a view; equal letters share a lead, different letters never do. `*`
            stands for a view of all leads.
        crop: range of the share of a record that a view keeps.
        time_out: range of the share of a view that is set to zero.
        per: `"batch"` draws the leads once a batch, as the paper does, `"sample"` for each record.

    Raises:
        ValueError: a malformed pattern or range.

    Examples:
        >>> views = MultiLeadViews("aba")
        >>> a1, b, a2 = views(signals)  # (256, 8, 2048) -> three of (256, 1, 2048)
    """

    def __init__(
        self,
        pattern: str = "aba",
        crop: tuple[float, float] = (0.5, 1.0),
        time_out: tuple[float, float] = (0.0, 0.5),
        per: Literal["batch", "sample"] = "batch",
    ) -> None:
        check_pattern(pattern)
        check_range("crop", crop, low=0.0, low_open=True)
        check_range("time_out", time_out, low=0.0)
        if per not in ("batch", "sample"):
            raise ValueError(f"per must be 'batch' or 'sample', got {per!r}.")
        self.pattern = pattern
        self.crop = crop
        self.time_out = time_out
        self.per = per

    def __call__(self, signals: Tensor, generator: torch.Generator | None = None) -> list[Tensor]:
        """Make the views.

        Args:
            signals: shape (batch, leads, time); half precision is widened to float32.
            generator: source of randomness on the device of `signals`.

        Returns:
            One tensor a view, (batch, 1, time), or (batch, leads, time) for `*`.

        Raises:
            ValueError: `signals` has another shape, or fewer leads than the pattern has letters.
        """
        if signals.dim() != 3:
            raise ValueError(f"signals must be (batch, leads, time), got {tuple(signals.shape)}.")
        leads = draw_leads(
            self.pattern, signals.shape[1], len(signals), self.per, generator, signals.device
        )
        return [self._view(signals, letter, leads, generator) for letter in self.pattern]

    def _view(
        self,
        signals: Tensor,
        letter: str,
        leads: dict[str, Tensor],
        generator: torch.Generator | None,
    ) -> Tensor:
        view = signals if letter == ALL_LEADS else take_leads(signals, leads[letter])
        if view.dtype in (torch.float16, torch.bfloat16):
            view = view.float()
        view = random_resized_crop(view, self.crop, generator)
        return time_out(view, self.time_out, generator)
