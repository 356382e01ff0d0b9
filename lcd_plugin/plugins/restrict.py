"""`LCD_BENCH_PLUGINS`: which distributions may add plugins."""

from __future__ import annotations

import os

from lcd_plugin.plugins.offers import Offer, normalised

VARIABLE = "LCD_BENCH_PLUGINS"


def switched_on(offer: Offer) -> bool:
    """Whether an offer may be used: what is built in or was named by `--plugin` always is.

    `LCD_BENCH_PLUGINS` is `0` for no distribution, or names of distributions joined by commas;
    without it all may.
    """
    wanted = os.environ.get(VARIABLE, "")
    if offer.source != "installed" or not wanted:
        return True
    return normalised(offer.distribution) in {normalised(name) for name in wanted.split(",")}


def how_to_switch_on(offer: Offer) -> str:
    """The sentence that says that an offer is off, and what to do."""
    wanted = os.environ.get(VARIABLE, "")
    listed = offer.distribution if wanted == "0" else f"{wanted},{offer.distribution}"
    return (
        f"{offer.title} is switched off by {VARIABLE}={wanted}; unset that, or set it to {listed}."
    )
