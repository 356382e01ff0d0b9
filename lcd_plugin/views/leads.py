"""Which leads a set of views shows: one letter a view, equal letters share a lead.

`"aba"` is LCD's request (two leads, the first seen twice), `"aa"` two views of one lead, and
`"*"` in place of a letter is a view of all leads. For an encoder that reads all leads at once a
letter stands for the leads that it is dealt, and a space begins letters to which all leads are
dealt anew: `"aa yz"` is two views of all leads and one of either half of them. For an encoder of
single leads a space means nothing.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

ALL_LEADS = "*"
SPACE = " "


def check_pattern(pattern: str) -> None:
    """Raise ValueError unless `pattern` is made of lower-case letters, `*` and single spaces."""
    groups = groups_of(pattern)
    if not all(groups) or not all(c == ALL_LEADS or "a" <= c <= "z" for c in views_in(pattern)):
        raise ValueError(
            f"A view pattern has one lower-case letter a view, or '*' for all leads, "
            f"such as 'aba', or 'aa yz' in groups; got {pattern!r}."
        )
    if sum(len(letters_of(group)) for group in groups) > len(letters_of(pattern)):
        raise ValueError(f"The view pattern {pattern!r} has a letter in two of its groups.")


def views_in(pattern: str) -> str:
    """The letter or `*` of each view: a pattern without its spaces."""
    return pattern.replace(SPACE, "")


def groups_of(pattern: str) -> list[str]:
    """The parts of a pattern to which leads are dealt out, each for itself."""
    return pattern.split(SPACE)


def letters_of(pattern: str) -> list[str]:
    """The different letters of a pattern, in the order of the alphabet."""
    return sorted(set(views_in(pattern)) - {ALL_LEADS})


def draw_leads(
    pattern: str,
    n_leads: int,
    batch: int,
    per: Literal["batch", "sample"] = "batch",
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    """Draw a different lead for every letter of a pattern.

    Args:
        pattern: such as `"aba"`.
        n_leads: leads to draw from.
        batch: number of records.
        per: one draw for the whole batch, as in the paper, or one for every record.
        generator: source of randomness on `device`.
        device: where the indices are made.

    Returns:
        For every letter the lead indices, shape (batch,).

    Raises:
        ValueError: if `per` is neither of the two, the pattern is malformed, or it asks for more
            leads than there are.
    """
    letters = letters_of(pattern)
    # The first letters of a random order of the leads: distinct by construction.
    order = _random_order(pattern, n_leads, batch, per, generator, device)
    return {letter: order[:, i] for i, letter in enumerate(letters)}


def deal_leads(
    group: str,
    n_leads: int,
    batch: int,
    per: Literal["batch", "sample"] = "batch",
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Deal all leads out to the letters of one group of a pattern, at random and evenly.

    Where they cannot be even, the first letters have one lead more.

    Args:
        group: such as `"aba"`, with one letter or more and no space.
        n_leads: leads that are dealt out.
        batch: number of records.
        per: once for the whole batch, or for every record.
        generator: source of randomness on `device`.
        device: where it is made.

    Returns:
        For every lead the place of its letter in `letters_of`, shape (batch, n_leads).

    Raises:
        ValueError: as `draw_leads`.
    """
    order = _random_order(group, n_leads, batch, per, generator, device)
    return order % len(letters_of(group))


def _random_order(
    pattern: str,
    n_leads: int,
    batch: int,
    per: Literal["batch", "sample"],
    generator: torch.Generator | None,
    device: torch.device | str,
) -> Tensor:
    """Leads in a random order, shape (batch, n_leads)."""
    check_pattern(pattern)
    if per not in ("batch", "sample"):
        raise ValueError(f"per must be 'batch' or 'sample', got {per!r}.")
    letters = letters_of(pattern)
    if len(letters) > n_leads:
        raise ValueError(
            f"The view pattern {pattern!r} needs {len(letters)} different leads, "
            f"the signals have {n_leads}."
        )
    rows = 1 if per == "batch" else batch
    order = torch.rand(rows, n_leads, generator=generator, device=device).argsort(dim=1)
    return order.expand(batch, n_leads)


def take_leads(signals: Tensor, leads: Tensor, rows: Tensor | None = None) -> Tensor:
    """Leads of records, each record's own.

    Args:
        signals: shape (records, leads, time).
        leads: indices, shape (batch,) for one lead a record or (batch, channels) for several.
        rows: which records, shape (batch,); all of them if None.

    Returns:
        Shape (batch, 1 or channels, time).
    """
    if rows is None:
        rows = torch.arange(len(signals), device=signals.device)
    return signals[rows[:, None], leads.reshape(len(rows), -1)]
