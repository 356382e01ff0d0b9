"""The multilead view generator: a batch of records in, augmented single-lead views out."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from lcd_plugin.views.augment import amplify, check_gain, check_range, resized_crop, silence
from lcd_plugin.views.leads import ALL_LEADS, check_pattern, draw_leads, take_leads

NO_GAIN = (1.0, 1.0)


class MultiLeadViews:
    """Random lead choice, random resized crop and time-out, for a whole batch on its device.

    Only the chosen leads are augmented: three single-lead views of 12-lead records cost three
    leads of work, not thirty-six. Augmentations are those of LCD (Liu et al., Applied Soft
    Computing 172 (2025) 112871), and a random gain, which is off unless asked for.

    Calling it is three steps, which a training loop can also take one by one: `leads` says which
    leads a batch needs, `draw` is all other randomness, and `augment` computes.

    Args:
        pattern: one letter a view; equal letters share a lead, different letters never do. `*`
            stands for a view of all leads.
        crop: range of the share of a record that a view keeps.
        time_out: range of the share of a view that is set to zero.
        per: `"batch"` draws the leads once a batch, as the paper does, `"sample"` for each record.
        gain: range of the factor of a view's amplitude, log-uniform; off at (1, 1).

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
        gain: tuple[float, float] = NO_GAIN,
    ) -> None:
        check_pattern(pattern)
        check_range("crop", crop, low=0.0, low_open=True)
        check_range("time_out", time_out, low=0.0)
        check_gain("gain", gain)
        if per not in ("batch", "sample"):
            raise ValueError(f"per must be 'batch' or 'sample', got {per!r}.")
        self.pattern = pattern
        self.crop = crop
        self.time_out = time_out
        self.per = per
        # A list would not equal what is off.
        self.gain = (gain[0], gain[1])

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
        batch, n_leads, _ = signals.shape
        leads = self.leads(n_leads, batch, generator, signals.device)
        draws = self.draw(batch, generator, signals.device)
        return self.augment(take_leads(signals, leads), draws)

    def leads(
        self,
        n_leads: int,
        batch: int,
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Draw the leads that a batch needs, so that no others have to be read.

        Returns:
            Lead indices, shape (batch, channels): one channel a letter in alphabetical order, then
            all leads if the pattern has a `*`.

        Raises:
            ValueError: there are fewer leads than the pattern has letters.
        """
        drawn = draw_leads(self.pattern, n_leads, batch, self.per, generator, device)
        columns = list(drawn.values())
        if ALL_LEADS in self.pattern:
            columns += torch.arange(n_leads, device=device).expand(batch, -1).unbind(1)
        return torch.stack(columns, dim=1)

    def draw(
        self,
        batch: int,
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Draw all that is random about crops, silences and gains.

        Returns:
            Shape (4, batch, views), or (5, batch, views) with a gain. Without one its row is not
            drawn, so that what a seed gives is what it gave before there were gains.
        """
        rows = 4 + (self.gain != NO_GAIN)
        return torch.rand(rows, batch, len(self.pattern), generator=generator, device=device)

    def augment(self, signals: Tensor, draws: Tensor) -> list[Tensor]:
        """Make the views of the leads that `leads` names; nothing here is random.

        Args:
            signals: shape (batch, channels, time), half precision is widened to float32.
            draws: as `draw` gives them.

        Returns:
            One tensor a view, as for a call.
        """
        letters = sorted(set(self.pattern) - {ALL_LEADS})
        if signals.dtype in (torch.float16, torch.bfloat16):
            signals = signals.float()
        # Slices, since an index made on the host would make a GPU wait.
        shown = [
            signals[:, len(letters) :] if c == ALL_LEADS else signals.narrow(1, letters.index(c), 1)
            for c in self.pattern
        ]
        sizes = [view.shape[1] for view in shown]
        each = zip(torch.split(draws, 1, dim=2), sizes, strict=True)
        rows = torch.cat([draw.expand(-1, -1, size) for draw, size in each], dim=2)
        cropped = resized_crop(torch.cat(shown, dim=1), self.crop, rows[0], rows[1])
        made = silence(cropped, self.time_out, rows[2], rows[3])
        if self.gain != NO_GAIN:
            made = amplify(made, self.gain, rows[4])
        return list(torch.split(made, sizes, dim=1))
