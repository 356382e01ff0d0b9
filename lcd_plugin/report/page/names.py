"""Names in a sentence: isolated, so that a name cannot turn round the text beside it, and few."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from lcd_plugin.report.figures import words

FEW = 4  # names that a sentence lists; of more it tells the number


def isolated(name: str) -> Markup:
    """A name whose reading direction ends with it."""
    return Markup("<bdi>{}</bdi>").format(name)


def listed(names: Iterable[str]) -> Markup:
    """Names in prose; those that are `Markup` already stay as they are."""
    return Markup(
        words.listing(name if isinstance(name, Markup) else isolated(name) for name in names)
    )


def told_in_short(chosen: Sequence[str], others: Sequence[str], of: str) -> Markup:
    """Some of several names: as a list, by those that are not among them, or as a number.

    Args:
        chosen: those that are meant.
        others: the rest of them.
        of: what all of them are, such as `the other lines`.
    """
    if len(chosen) <= FEW:
        return listed(chosen)
    if not others:
        return Markup("any of {}").format(of)
    said = Markup("{} of {}").format(len(chosen), of)
    return said + Markup(" (all but {})").format(listed(others)) if len(others) <= FEW else said
