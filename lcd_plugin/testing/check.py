"""One check of a plugin: what it is called, how it fails, and what it says then."""

from __future__ import annotations

import pickle
import traceback
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn, Protocol


class ConformanceError(AssertionError):
    """A plugin does not do what the host relies on."""


class NotCheckedError(ConformanceError):
    """A check that another one has to pass first, and that one failed."""


class ConformanceWarning(UserWarning):
    """A plugin does what the host relies on, and yet something looks wrong."""


class Trial(Protocol):
    """A plugin under test, loaded once for all of its checks.

    Attributes:
        title: kind and name, for messages.
    """

    title: str

    def load(self) -> object:
        """Import the plugin.

        Raises:
            ConfigError: no plugin has that name.
            PluginError: it cannot be loaded.
        """
        ...

    def surroundings(self) -> AbstractContextManager[None]:
        """What a check runs in, so that it leaves nothing behind in the process."""
        ...


@dataclass(frozen=True)
class Check:
    """One check of one plugin.

    Attributes:
        name: short name, the same for all plugins of a kind.
        about: what is checked, in a sentence.
        slow: whether it takes seconds rather than a moment.
        trial: the plugin.
        function: what checks it.
        needs: a check without which this one would only say the same again.
        advise: what to do about an exception, in a sentence, or "" for all that can be said is
            where it came from.
    """

    name: str
    about: str
    slow: bool
    trial: Trial
    function: Callable[[Any], str | None] = field(repr=False)
    needs: Check | None = None
    advise: Callable[[Exception], str] = field(default=lambda error: "", repr=False)

    def run(self) -> str:
        """Run it.

        Returns:
            What was left out and why, or "".

        Raises:
            ConformanceError: the plugin failed; the message says what was expected, what came and
                what to do.
            NotCheckedError: what this check needs failed.
            ConfigError: no plugin has that name.
            PluginError: it cannot be loaded.
        """
        __tracebackhide__ = True
        plugin = self.trial.load()
        if self.needs is not None and self.needs.fails:
            raise NotCheckedError(f"not checked: {self.needs.name} failed")
        where = f"{self.trial.title}, check {self.name}"
        try:
            with self.trial.surroundings():
                return self.function(self.trial) or ""
        except ConformanceError as error:
            raise ConformanceError(f"{where}: {error}") from None
        except Exception as error:  # whatever a plugin raises is what it is told
            advice = self.advise(error) or "Mend that line."
            raise ConformanceError(
                f"{where}: expected no exception, got {type(error).__name__} at "
                f"{_place(error, plugin)}: {str(error).rstrip('.')}. {advice} "
                f"What is checked: {self.about}"
            ) from error

    @cached_property
    def fails(self) -> bool:
        """Whether it fails, or what it needs; found out once."""
        try:
            self.run()
        except ConformanceError:
            return True
        return False


def fail(expected: str, came: str, advice: str) -> NoReturn:
    """End a check: what was expected, what came, and what to do about it."""
    raise ConformanceError(f"expected {expected}; got {came}. {advice}")


def caution(trial: Trial, text: str) -> None:
    """Say what looks wrong without failing."""
    warnings.warn(f"{trial.title}: {text}", ConformanceWarning, stacklevel=3)


def sent(plugin_class: type, settings: object) -> tuple[Any, Any]:
    """A class and its settings as another process gets them, or a failure."""
    try:
        found: tuple[Any, Any] = pickle.loads(pickle.dumps((plugin_class, settings)))
    except Exception as error:  # pickle raises what it likes
        fail(
            "class and settings that can be sent to another process",
            f"{type(error).__name__}: {error}",
            "Define both at the top level of a module, not in a function.",
        )
    if found != (plugin_class, settings):
        fail(
            "the same class and settings in another process",
            f"{found}",
            "Define both at the top level of a module, each under a name of its own.",
        )
    return found


def _place(error: Exception, plugin: object) -> str:
    """Where an exception came from: the last line of the plugin's own code, or the last of all."""
    own = _home(getattr(plugin, "__module__", None))
    frames = list(traceback.walk_tb(error.__traceback__))
    written = [frame for frame in frames if _home(frame[0].f_globals.get("__name__")) == own]
    frame, line = (written or frames)[-1]
    return f"{frame.f_code.co_filename}:{line}"


def _home(module: str | None) -> str | None:
    """The package that a module's author wrote: all of it, but of this one the module alone."""
    package = (module or "").partition(".")[0]
    return module if package == __name__.partition(".")[0] else package
