"""When the encoder of a pretraining is kept before it is finished."""

from __future__ import annotations

import itertools
import math

from lcd_plugin.errors import ConfigError


def check_shares(shares: tuple[float, ...]) -> None:
    """Raise ConfigError unless shares of a budget rise, above 0 and below 1."""
    rising = all(one < other for one, other in itertools.pairwise(shares))
    if not (rising and all(0 < share < 1 for share in shares)):
        raise ConfigError(
            f"Snapshots must be rising shares of the epochs, above 0 and below 1; got "
            f"{', '.join(f'{share:g}' for share in shares)}."
        )


def snapshot_epochs(shares: tuple[float, ...], epochs: int) -> dict[int, float]:
    """The share of each epoch that ends with a snapshot.

    It is the epoch nearest to the share, from the first to the last but one. Of several shares that
    come to one epoch the first stands for all.
    """
    taken: dict[int, float] = {}
    for share in shares:
        epoch = min(max(math.floor(share * epochs + 0.5), 1), epochs - 1)
        if epoch >= 1:  # a single epoch has none before its last
            taken.setdefault(epoch, share)
    return taken
