"""Looking up plugins by entry point: names cost no import, a broken plugin only itself."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from lcd_plugin.errors import ConfigError, PluginError, suggest
from lcd_plugin.plugins.specs import DatasetSpec, EncoderSpec, MethodSpec, Spec

S = TypeVar("S", bound=Spec)

OWN_DISTRIBUTION = "lcd-plugin"


@dataclass(frozen=True)
class Origin:
    """Where a plugin comes from."""

    distribution: str
    version: str


class Registry(Generic[S]):
    """The plugins of one entry-point group.

    Args:
        group: entry-point group, such as `lcd_plugin.methods`.
        kind: what its members are called in messages.
        spec_type: what its entry points must point to.
    """

    def __init__(self, group: str, kind: str, spec_type: type[S]) -> None:
        self.group = group
        self.kind = kind
        self.spec_type = spec_type

    @cached_property
    def _found(self) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            found.setdefault(point.name, []).append(point)
        return found

    def names(self) -> list[str]:
        """All names, sorted; nothing is imported."""
        return sorted(self._found)

    def origin(self, name: str) -> Origin:
        """The distribution that a name comes from."""
        dist = self._point(name).dist
        return Origin(dist.name if dist else "unknown", dist.version if dist else "unknown")

    def spec(self, name: str) -> S:
        """The spec of a name.

        Raises:
            ConfigError: no plugin has that name.
            PluginError: it cannot be loaded, is no spec, or two distributions claim the name.
        """
        point = self._point(name)
        spec = self._guarded(name, point.load)
        if not isinstance(spec, self.spec_type):
            raise PluginError(
                f"{self._title(name)} is not a {self.spec_type.__name__} but "
                f"{type(spec).__name__}; its entry point '{point.value}' must name one."
            )
        if spec.name != name:
            raise PluginError(
                f"{self._title(name)} calls itself '{spec.name}'; give both the same name."
            )
        return spec

    def load(self, name: str) -> Any:
        """The heavy object behind a name, imported now.

        Raises:
            ConfigError: no plugin has that name.
            PluginError: its module cannot be imported or lacks the object.
        """
        module, _, attribute = self.spec(name).implementation.partition(":")
        return self._guarded(name, lambda: getattr(importlib.import_module(module), attribute))

    def _point(self, name: str) -> EntryPoint:
        points = self._found.get(name, [])
        if not points:
            raise ConfigError(f"Unknown {self.kind} '{name}'{suggest(name, self.names())}")
        own = [p for p in points if p.dist is not None and p.dist.name == OWN_DISTRIBUTION]
        others = {p.dist.name for p in points if p.dist is not None}
        if not own and len(others) > 1:
            raise PluginError(
                f"The {self.kind} '{name}' is offered by {' and '.join(sorted(others))}; "
                f"uninstall one of them."
            )
        return (own or points)[0]

    def _guarded(self, name: str, load: Any) -> Any:
        try:
            return load()
        except (Exception, SystemExit) as error:  # whatever a plugin does is its own affair
            raise PluginError(
                f"{self._title(name)} cannot be loaded: {type(error).__name__}: {error}"
            ) from error

    def _title(self, name: str) -> str:
        origin = self.origin(name)
        return f"The {self.kind} '{name}' of {origin.distribution} {origin.version}"


METHODS = Registry("lcd_plugin.methods", "method", MethodSpec)
DATASETS = Registry("lcd_plugin.datasets", "dataset", DatasetSpec)
ENCODERS = Registry("lcd_plugin.encoders", "encoder", EncoderSpec)
