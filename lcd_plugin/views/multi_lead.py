"""The multilead view generator: a batch of records in, augmented views out."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from lcd_plugin.views.augment import amplify, check_gain, check_range, resized_crop, silence
from lcd_plugin.views.leads import (
    ALL_LEADS,
    check_pattern,
    deal_leads,
    draw_leads,
    groups_of,
    letters_of,
    take_leads,
    views_in,
)

NO_GAIN = (1.0, 1.0)


class MultiLeadViews:
    """Random lead choice, random resized crop and time-out, for a whole batch on its device.

    Only the chosen leads are augmented: three single-lead views of 12-lead records cost three
    leads of work, not thirty-six. Augmentations are those of LCD (Liu et al., Applied Soft
    Computing 172 (2025) 112871), and a random gain, which is off unless asked for.

    Calling it is three steps, which a training loop can also take one by one: `leads` says which
    leads a batch needs, `draw` is all other randomness, and `augment` computes.

    An encoder that reads all leads at once (`in_leads` above 1) is given views of all leads in
    their own order. With one letter all of them are shown. With several they are dealt out, at
    random and evenly, and those of another letter than the view's are zero. Spaces make groups of
    letters, and leads are dealt out in each group for itself.

    Args:
        pattern: one letter a view; equal letters share a lead, different letters never do. `*`
            stands for a view of all leads. A space between groups of letters, as in `"aa yz"`,
            is no view, and nothing to an encoder of single leads.
        crop: range of the share of a record that a view keeps.
        time_out: range of the share of a view that is set to zero.
        per: `"batch"` draws the leads once a batch, as the paper does, `"sample"` for each record.
        gain: range of the factor of a view's amplitude, log-uniform; off at (1, 1).
        in_leads: leads that the encoder reads at once: 1, or all that the signals have.

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
        in_leads: int = 1,
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
        self.in_leads = in_leads

    def __call__(self, signals: Tensor, generator: torch.Generator | None = None) -> list[Tensor]:
        """Make the views.

        Args:
            signals: shape (batch, leads, time); half precision is widened to float32.
            generator: source of randomness on the device of `signals`.

        Returns:
            One tensor a view, (batch, 1, time), or (batch, leads, time) for `*` and for an encoder
            of all leads.

        Raises:
            ValueError: `signals` has another shape, or too few leads.
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
            all leads if the pattern has a `*`; only all leads for an encoder of all leads.

        Raises:
            ValueError: there are fewer leads than the pattern has letters, or not those that an
                encoder of all leads reads.
        """
        if self.in_leads > 1:
            if n_leads != self.in_leads:
                raise ValueError(
                    f"The encoder reads {self.in_leads} leads at once, the signals have {n_leads}."
                )
            return torch.arange(n_leads, device=device).expand(batch, -1)
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
        """Draw all that is random about crops, silences, gains and groups of leads.

        Returns:
            Shape (4, batch, views), with one row more for a gain, and one for each lead in each
            group of several letters. What is off is not drawn, so that a seed gives what it gave
            before there was such a thing.

        Raises:
            ValueError: leads are dealt out, and there are fewer than a group has letters.
        """
        n_views = len(views_in(self.pattern))
        draws = torch.rand(self._rows, batch, n_views, generator=generator, device=device)
        dealt = [
            deal_leads(group, self.in_leads, batch, self.per, generator, device)
            for group in groups_of(self.pattern)
            if self._is_dealt(group)
        ]
        rows = [leads.T[..., None].to(draws.dtype).expand(-1, -1, n_views) for leads in dealt]
        return torch.cat([draws, *rows])

    def augment(self, signals: Tensor, draws: Tensor) -> list[Tensor]:
        """Make the views of the leads that `leads` names; nothing here is random.

        Args:
            signals: shape (batch, channels, time), half precision is widened to float32.
            draws: as `draw` gives them.

        Returns:
            One tensor a view, as for a call.
        """
        if signals.dtype in (torch.float16, torch.bfloat16):
            signals = signals.float()
        shown = self._shown(signals, draws)
        if self.in_leads > 1:
            # A view of many leads at a time: what they share is computed once for all of them.
            return [self._changed(v, draws[:, :, i : i + 1]) for i, v in enumerate(shown)]
        sizes = [view.shape[1] for view in shown]
        each = zip(torch.split(draws, 1, dim=2), sizes, strict=True)
        rows = torch.cat([draw.expand(-1, -1, size) for draw, size in each], dim=2)
        return list(torch.split(self._changed(torch.cat(shown, dim=1), rows), sizes, dim=1))

    def _changed(self, signals: Tensor, rows: Tensor) -> Tensor:
        """Crop, silence and amplify; draws of shape (rows, batch, 1 or leads)."""
        cropped = resized_crop(signals, self.crop, rows[0], rows[1])
        made = silence(cropped, self.time_out, rows[2], rows[3])
        return amplify(made, self.gain, rows[4]) if self.gain != NO_GAIN else made

    @property
    def _rows(self) -> int:
        """Draws of a view, leads that are dealt out left aside."""
        return 4 + (self.gain != NO_GAIN)

    def _is_dealt(self, group: str) -> bool:
        """Whether the letters of a group share the leads out among them."""
        return self.in_leads > 1 and len(letters_of(group)) > 1

    def _shown(self, signals: Tensor, draws: Tensor) -> list[Tensor]:
        """What each view shows of the signals."""
        if self.in_leads > 1:
            return self._shown_of_all(signals, draws)
        letters = letters_of(self.pattern)
        # Slices, since an index made on the host would make a GPU wait.
        return [
            signals[:, len(letters) :] if c == ALL_LEADS else signals.narrow(1, letters.index(c), 1)
            for c in views_in(self.pattern)
        ]

    def _shown_of_all(self, signals: Tensor, draws: Tensor) -> list[Tensor]:
        """What each view shows to an encoder of all leads."""
        shown = []
        rows = iter(torch.split(draws[self._rows :, :, 0], self.in_leads))
        for group in groups_of(self.pattern):
            parts = dict.fromkeys(group, signals)
            if self._is_dealt(group):
                dealt = next(rows).T[..., None]  # (batch, leads, 1)
                for i, letter in enumerate(letters_of(group)):
                    parts[letter] = signals.masked_fill(dealt != i, 0.0)
            shown += [parts[c] for c in group]
        return shown
