"""One check of a plugin: what it is called, how it fails, and what it says then."""

from __future__ import annotations

import pickle
import traceback
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol


class ConformanceError(AssertionError):
    """A plugin does not do what the host relies on."""


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
    """

    name: str
    about: str
    slow: bool
    trial: Trial
    function: Callable[[Any], str | None] = field(repr=False)

    def run(self) -> str:
        """Run it.

        Returns:
            What was left out and why, or "".

        Raises:
            ConformanceError: the plugin failed; the message says what was expected, what came and
                what to do.
            ConfigError: no plugin has that name.
            PluginError: it cannot be loaded.
        """
        __tracebackhide__ = True
        self.trial.load()
        where = f"{self.trial.title}, check {self.name}"
        try:
            with self.trial.surroundings():
                return self.function(self.trial) or ""
        except ConformanceError as error:
            raise ConformanceError(f"{where}: {error}") from None
        except Exception as error:  # whatever a plugin raises is what it is told
            raise ConformanceError(
                f"{where}: expected no exception, got {type(error).__name__} at {_place(error)}: "
                f"{error}. What is checked: {self.about}"
            ) from error


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


def _place(error: Exception) -> str:
    """Where an exception came from: the last line that is no library's, or the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename]
    frame = (own or list(frames))[-1]
    return f"{frame.filename}:{frame.lineno}"
