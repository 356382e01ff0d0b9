"""Looking up plugins: names cost no import, a broken plugin only itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import asdict
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from lcd_plugin.errors import ConfigError, PluginError, suggest
from lcd_plugin.plugins.offers import (
    Offer,
    hand_down,
    handed_down,
    installed_offers,
    is_worker,
    not_loaded,
    read_object,
    read_spec,
)
from lcd_plugin.plugins.origin import Origin, code_of, code_of_file
from lcd_plugin.plugins.restrict import how_to_switch_on, switched_on
from lcd_plugin.plugins.specs import DatasetSpec, EncoderSpec, MethodSpec, Spec
from lcd_plugin.plugins.trials import Report, try_offers

S = TypeVar("S", bound=Spec)
T = TypeVar("T")


class PluginLoadError(PluginError):
    """A plugin that cannot be loaded.

    Args:
        message: one sentence.
        traceback: of what it raised, or the last words of the process that it ended.
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


class Registry(Generic[S]):
    """The plugins of one entry-point group.

    What is not built in is tried out in a child process before it is imported here. Either is done
    once: what is known of a plugin holds for as long as this process does.

    Args:
        group: entry-point group, such as `lcd_plugin.methods`.
        kind: what its members are called in messages.
        spec_type: what its entry points must point to.
    """

    def __init__(self, group: str, kind: str, spec_type: type[S]) -> None:
        self.group = group
        self.kind = kind
        self.spec_type = spec_type
        self._reports: dict[Offer, Report] = {}
        self._origins: dict[Offer, Origin] = {}

    @cached_property
    def offers(self) -> dict[str, list[Offer]]:
        """All that is offered by name, switched off or not."""
        found = installed_offers(self.group, self.kind)
        for offer in handed_down(self.kind):
            found.setdefault(offer.name, []).append(offer)
        return found

    def add(self, offer: Offer, report: Report) -> None:
        """Add the offer of a file, for this process and those that it starts.

        Args:
            offer: what it offers.
            report: what a trial found out of it.

        Raises:
            PluginError: something else has that name.
        """
        for other in filter(switched_on, self.offers.get(offer.name, [])):
            if other != offer:
                raise PluginError(
                    f"{offer.title} cannot be added, since {other.distribution} has one of that "
                    f"name; give it another."
                )
        if offer not in self.offers.setdefault(offer.name, []):
            self.offers[offer.name].append(offer)
        self._reports[offer] = report
        hand_down(offer)

    def names(self) -> list[str]:
        """All names, sorted; nothing is imported."""
        return sorted(name for name, offers in self.offers.items() if any(map(switched_on, offers)))

    def origin(self, name: str) -> Origin:
        """Where a name comes from; both distributions, if two claim it. Nothing is imported here.

        Raises:
            ConfigError: no plugin has that name, or it is switched off.
        """
        usable = self._usable(name)
        if len(usable) > 1:
            return Origin(_joined(usable), "", "", own=False)
        offer = usable[0]
        if offer not in self._origins:
            try:
                value = self.fields(name)["implementation"]
            except PluginError:
                value = offer.value  # which is what is left of a broken one
            home, module = offer.value.partition(":")[0], value.partition(":")[0]
            code = code_of_file(home, module) if offer.source == "file" else code_of(module)
            self._origins[offer] = Origin(offer.distribution, offer.version, code, offer.own)
        return self._origins[offer]

    def spec(self, name: str) -> S:
        """The spec of a name.

        Raises:
            ConfigError: no plugin has that name, or it is switched off.
            PluginError: it cannot be loaded, is no spec, or two distributions claim the name.
        """
        offer = self.chosen(name)
        if self._foreign(offer):
            self.fields(name)
        return cast(S, _guarded(offer, offer.value, lambda: read_spec(offer)))

    def fields(self, name: str) -> dict[str, Any]:
        """What the spec of a name says; of one that is not built in, nothing is imported here.

        Raises:
            ConfigError: no plugin has that name, or it is switched off.
            PluginError: it cannot be loaded, is no spec, or two distributions claim the name.
        """
        offer = self.chosen(name)
        if not self._foreign(offer):
            return asdict(self.spec(name))
        report = self._report(offer, whole=False)
        if report.fields is None:
            raise PluginLoadError(report.error, report.traceback)
        return report.fields

    def load(self, name: str) -> Any:
        """The heavy object behind a name, imported now.

        Raises:
            ConfigError: no plugin has that name, or it is switched off.
            PluginError: its module cannot be imported or lacks the object.
        """
        offer = self.chosen(name)
        if self._foreign(offer):
            report = self._report(offer, whole=True)
            if report.error:
                raise PluginLoadError(report.error, report.traceback)
        value = self.spec(name).implementation
        return _guarded(offer, value, lambda: read_object(value))

    def probe(self, names: Iterable[str], whole: bool = True) -> None:
        """Try plugins out, several at a time; asking for them afterwards costs no child process.

        Args:
            names: which; those that are built in, or that nothing has, need no trial.
            whole: whether implementations are tried too, and not specs alone.
        """
        offers = [o for n in names for o in self.offers.get(n, []) if switched_on(o)]
        untried = [o for o in offers if self._foreign(o) and not self._known(o, whole)]
        self._reports.update(try_offers(dict.fromkeys(untried), whole))

    def report(self, offer: Offer) -> Report | None:
        """What was found out of an offer, if it was tried out."""
        return self._reports.get(offer)

    def chosen(self, name: str) -> Offer:
        """Whose plugin a name is: the built-in one, or the only one that is not switched off.

        Raises:
            ConfigError: no plugin has that name, or it is switched off.
            PluginError: two distributions claim the name.
        """
        usable = self._usable(name)
        if len(usable) > 1:
            raise PluginError(
                f"The {self.kind} '{name}' is offered by {_joined(usable)}; uninstall one of them."
            )
        return usable[0]

    def _usable(self, name: str) -> list[Offer]:
        """Offers of a name, one for each distribution; the built-in one wins."""
        offers = self.offers.get(name, [])
        if not offers:
            raise ConfigError(f"Unknown {self.kind} '{name}'{suggest(name, self.names())}")
        usable = [o for o in offers if o.own] or [o for o in offers if switched_on(o)]
        if not usable:
            raise ConfigError(how_to_switch_on(offers[0]))
        return list({o.distribution: o for o in reversed(usable)}.values())

    def _foreign(self, offer: Offer) -> bool:
        """Whether to try an offer out first; the processes that we start need not do that again."""
        return not offer.own and not is_worker()

    def _known(self, offer: Offer, whole: bool) -> bool:
        report = self._reports.get(offer)
        return report is not None and (report.tried or report.fields is None or not whole)

    def _report(self, offer: Offer, whole: bool) -> Report:
        if not self._known(offer, whole):
            self._reports.update(try_offers([offer], whole))
        return self._reports[offer]


def _joined(offers: list[Offer]) -> str:
    return " and ".join(sorted(o.distribution for o in offers))


def _guarded(offer: Offer, value: str, load: Callable[[], T]) -> T:
    try:
        with redirect_stdout(sys.stderr):  # standard output is ours
            return load()
    except PluginError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a plugin does is its own affair
        raise PluginLoadError(not_loaded(offer, value, error)) from error


METHODS = Registry("lcd_plugin.methods", "method", MethodSpec)
DATASETS = Registry("lcd_plugin.datasets", "dataset", DatasetSpec)
ENCODERS = Registry("lcd_plugin.encoders", "encoder", EncoderSpec)
