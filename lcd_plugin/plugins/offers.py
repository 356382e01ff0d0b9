"""What installed distributions offer, and reading one offer: only that imports anything."""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import os
import re
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution, distributions
from typing import Any, Literal

from lcd_plugin.errors import PluginError
from lcd_plugin.plugins.complaint import complaint, named
from lcd_plugin.plugins.specs import SPEC_TYPES, Spec

log = logging.getLogger(__name__)

OWN_DISTRIBUTION = "lcd-plugin"
# In the environment: a process that another one starts knows nothing else of it.
HANDED_DOWN = "LCD_BENCH_OFFERS_OF_FILES"
_WORKER = False


@dataclass(frozen=True)
class Offer:
    """A plugin under a name, as a distribution or a file offers it.

    Attributes:
        kind: `method`, `dataset` or `encoder`.
        name: what users write.
        value: `"module:SPEC"`, the spec.
        distribution: name of the distribution or of the file.
        version: of the distribution; of the spec for a file.
        source: whether it comes with this package, was installed, or is a file from `--plugin`.
    """

    kind: str
    name: str
    value: str
    distribution: str
    version: str
    source: Literal["own", "installed", "file"]

    @property
    def own(self) -> bool:
        """Whether it comes with this package."""
        return self.source == "own"

    @property
    def title(self) -> str:
        """For messages."""
        return f"The {self.kind} '{self.name}' of {self.distribution} {self.version}"


def installed_offers(group: str, kind: str) -> dict[str, list[Offer]]:
    """Offers of all installed distributions by name; nothing is imported.

    Args:
        group: entry-point group.
        kind: what its members are called.
    """
    found: dict[str, list[Offer]] = {}
    seen = set()
    for distribution in distributions():
        try:
            offers = _offers(distribution, group, kind)
        except Exception as error:  # of anyone's metadata, which must not cost the others
            log.warning("The entry points of %s cannot be read: %s", _folder(distribution), error)
            continue
        # A distribution that lies twice on the search path is what import takes: the first.
        if offers and normalised(offers[0].distribution) not in seen:
            seen.add(normalised(offers[0].distribution))
            for offer in offers:
                found.setdefault(offer.name, []).append(offer)
    return found


def _offers(distribution: Distribution, group: str, kind: str) -> list[Offer]:
    points = distribution.entry_points.select(group=group)
    if not points:
        return []
    name, version = distribution.name or "unknown", distribution.version or "unknown"
    source: Literal["own", "installed"] = "own" if name == OWN_DISTRIBUTION else "installed"
    return [Offer(kind, p.name, p.value, name, version, source) for p in points]


def be_worker() -> None:
    """From now on this process computes for another one, which has tried out what it uses."""
    global _WORKER
    _WORKER = True


def is_worker() -> bool:
    """Whether this process computes for another one of ours."""
    return _WORKER or multiprocessing.parent_process() is not None


def hand_down(offer: Offer) -> None:
    """Let the processes that this one starts know of an offer that is not installed."""
    offers = json.loads(os.environ.get(HANDED_DOWN, "[]"))
    if asdict(offer) not in offers:
        os.environ[HANDED_DOWN] = json.dumps([*offers, asdict(offer)])


def handed_down(kind: str) -> list[Offer]:
    """What the process knew that started this one to compute for it."""
    if not is_worker():
        return []
    offers = [Offer(**fields) for fields in json.loads(os.environ.get(HANDED_DOWN, "[]"))]
    return [offer for offer in offers if offer.kind == kind]


def _folder(distribution: Distribution) -> str:
    return str(getattr(distribution, "_path", "a distribution"))


def normalised(distribution: str) -> str:
    """A distribution's name as installers compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def read_object(value: str) -> Any:
    """The object that `"module:object"` names, imported now; raises whatever its module does."""
    module, _, attribute = value.partition(":")
    return getattr(importlib.import_module(module), attribute)


def read_spec(offer: Offer) -> Spec:
    """The spec of an offer, imported now; raises whatever its module does.

    Raises:
        PluginError: it is no spec of its kind, or calls itself something else.
    """
    spec, wanted = read_object(offer.value), SPEC_TYPES[offer.kind]
    if not isinstance(spec, wanted):
        raise PluginError(
            f"{offer.title} is not a {wanted.__name__} but {type(spec).__name__}; "
            f"its entry point '{offer.value}' must name one."
        )
    if spec.name != offer.name:
        raise PluginError(
            f"{offer.title} calls itself '{spec.name}' in {offer.value}; give both the same name."
        )
    return spec


def not_loaded(offer: Offer, value: str, why: str | BaseException) -> str:
    """The sentence that says why `value` of an offer could not be loaded."""
    if isinstance(why, PluginError):
        return complaint(why)
    if isinstance(why, BaseException):
        why = named(why)
    return f"{offer.title} cannot be loaded from {value}: {why}"
