"""All plugins there are, with what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lcd_plugin.errors import PluginError
from lcd_plugin.plugins.offers import Offer
from lcd_plugin.plugins.registry import DATASETS, ENCODERS, METHODS, Registry
from lcd_plugin.plugins.restrict import how_to_switch_on, switched_on

Status = Literal["built in", "loaded", "broken", "switched off", "duplicate"]


@dataclass(frozen=True)
class Entry:
    """One offer of a name.

    Attributes:
        kind: `method`, `dataset` or `encoder`.
        name: what users write.
        distribution, version: whose it is.
        code: fingerprint of its source; "" where it is not used.
        summary: of its spec.
        status: built-in ones are not loaded, all others are tried out.
        reason: why it is not used; "" if it is.
        traceback: of a broken one.
    """

    kind: str
    name: str
    distribution: str
    version: str
    code: str = ""
    summary: str = ""
    status: Status = "loaded"
    reason: str = ""
    traceback: str = ""


def inventory() -> list[Entry]:
    """All offers of methods, datasets and encoders; what is not built in is loaded in a child."""
    entries: list[Entry] = []
    for registry in (METHODS, DATASETS, ENCODERS):
        registry.probe(registry.names())
        for name in sorted(registry.offers):
            entries += [_entry(registry, offer) for offer in registry.offers[name]]
    return entries


def _entry(registry: Registry[Any], offer: Offer) -> Entry:
    def entry(status: Status, **more: str) -> Entry:
        return Entry(
            offer.kind, offer.name, offer.distribution, offer.version, status=status, **more
        )

    if not switched_on(offer):
        return entry("switched off", reason=how_to_switch_on(offer))
    try:
        chosen = registry.chosen(offer.name)
    except PluginError as error:
        return entry("duplicate", reason=str(error))
    if chosen != offer:
        return entry("duplicate", reason=f"{chosen.title} is used.")
    code = registry.origin(offer.name).code
    if offer.own:
        return entry("built in", code=code, summary=registry.spec(offer.name).summary)
    report = registry.report(offer)
    assert report is not None
    summary = report.fields["summary"] if report.fields else ""
    if report.error:
        return entry(
            "broken", code=code, summary=summary, reason=report.error, traceback=report.traceback
        )
    return entry("loaded", code=code, summary=summary)
