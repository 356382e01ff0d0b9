"""How a command ends: one sentence and the right exit code, whatever happened."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer

from lcd_plugin.bench.interruption import interrupts
from lcd_plugin.cli.streams import NoReaderError, OutputError, set_up_streams, to_nowhere
from lcd_plugin.errors import ConfigError, DataError, LcdBenchError

SPINS = "2000"
COMPLETE, BUG, CELLS_FAILED, GATE_FAILED, INTERRUPTED = 0, 1, 3, 4, 130

SAVED = "Interrupted: everything finished is saved, the same command goes on from there."

F = TypeVar("F", bound=Callable[..., Any])


def command(function: F) -> F:
    """Turn our errors, interruptions and bugs into a message on stderr and an exit code."""

    @functools.wraps(function)
    def guarded(*arguments: Any, **options: Any) -> Any:
        try:
            _set_up()
            _require_folder()
            return function(*arguments, **options)
        except OutputError as error:
            if sys.stdout is not None:
                to_nowhere(sys.stdout)
            _end(f"Error: {error}", error.exit_code)
        except LcdBenchError as error:
            _end(f"Error: {error}", error.exit_code)
        except KeyboardInterrupt as error:
            _end(str(error) or SAVED, INTERRUPTED)
        except NoReaderError:
            to_nowhere(sys.stdout)
            raise typer.Exit(COMPLETE) from None
        except typer.Exit:
            raise
        except OSError as error:
            if error.filename is None:
                _bug()
            _end(f"Error: {error.filename}: {error.strerror}.", DataError.exit_code)
        except Exception:
            _bug()

    return guarded  # type: ignore[return-value]


def say(text: str) -> None:
    """A line of progress or warning, on stderr."""
    typer.echo(text, err=True)


def quiet_fabric() -> None:
    """Fabric tells of its precision each time it is made; results record it once.

    It sets its own level when it is imported, so this only holds after that.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


def _bug() -> NoReturn:
    traceback.print_exc()
    _end("This is a bug of lcd-bench: please report it with the lines above.", BUG)


def _end(message: str, code: int) -> NoReturn:
    # A message may quote a file of a stranger, which must not steer the terminal.
    say("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in message))
    raise typer.Exit(code)


def _require_folder() -> None:
    """Raise ConfigError if the current folder is gone, where not even torch can be imported."""
    try:
        Path.cwd()
    except OSError as error:
        raise ConfigError(
            f"The current folder cannot be used ({error.strerror}); change to another one."
        ) from error


def _set_up() -> None:
    # Read when torch is loaded, which is later. By default GNU OpenMP's threads spin for about a
    # millisecond at the end of each parallel piece of work, and there are hundreds in a step: with
    # other work on the machine that slows a step by two to four times, without it gains nothing.
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    with contextlib.suppress(ValueError):  # not in the main thread, which is who gets signals
        interrupts()
    set_up_streams()
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr, force=True)
