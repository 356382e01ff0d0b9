"""Trying plugins out in child processes, so that what they do to a process costs only them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from tempfile import TemporaryFile
from typing import Any

from lcd_plugin.errors import ConfigError
from lcd_plugin.plugins.offers import Offer, not_loaded

TIMEOUT = "LCD_BENCH_PLUGIN_TIMEOUT"
# A child ends itself and says where it hung; only one that cannot do that is killed.
GRACE_S = 5.0
ENDED = {"ended": True}
# What the watchdog of a child says, and with which code it ends it.
TIMED_OUT, TIMED_OUT_CODE = re.compile(r"^Timeout \(\d+:", re.MULTILINE), 1


@dataclass(frozen=True)
class Report:
    """What a child process found out of an offer.

    Attributes:
        fields: of its spec; None if that could not be read.
        tried: whether the implementation is known to load, or not to.
        error: why the spec or, where there is one, the implementation is of no use; "" if it is.
        traceback: of that.
    """

    fields: dict[str, Any] | None = None
    tried: bool = False
    error: str = ""
    traceback: str = ""


def time_limit() -> float:
    """Seconds that a plugin may take to load.

    Raises:
        ConfigError: `LCD_BENCH_PLUGIN_TIMEOUT` is no positive number.
    """
    text = os.environ.get(TIMEOUT, "60")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"{TIMEOUT} takes a positive number of seconds; got '{text}'.")
    return seconds


class Trial:
    """A child process; it runs until `finish` or `stop` is called, or its time is up.

    Args:
        request: what `lcd_plugin.plugins.probe` is asked.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self._limit = time_limit()
        # Files and not pipes: something that the plugin started may hold a pipe open for ever.
        self._said, self._complaints = TemporaryFile(), TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            # -P: the search path is ours, without the folder that we happen to be in.
            [sys.executable, "-P", "-X", "faulthandler", "-m", "lcd_plugin.plugins.probe",
             json.dumps(request | {"limit": self._limit, "answers": self._said.fileno()})],
            stdin=subprocess.DEVNULL,
            stdout=self._complaints,
            stderr=self._complaints,
            pass_fds=(self._said.fileno(),),  # a channel that nobody else prints to
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},  # noqa: PTH109
            start_new_session=True,
        )  # fmt: skip

    def finish(self) -> tuple[list[dict[str, Any]], str, str]:
        """What the child said, how it ended if not as it should, and its last words then."""
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._limit + GRACE_S)
            self._said.seek(0)
            lines = [json.loads(line) for line in self._said if line.endswith(b"\n")]
            if ENDED in lines:
                return [line for line in lines if line != ENDED], "", ""
            self._complaints.seek(0)
            last_words = self._complaints.read().decode(errors="replace")
            return lines, self._end(last_words), last_words[-4000:]
        finally:
            self.stop()

    def _end(self, last_words: str) -> str:
        code = self._process.poll()
        if code is None or (code == TIMED_OUT_CODE and TIMED_OUT.search(last_words)):
            return f"it took longer than {self._limit:g} s ({TIMEOUT} sets how long it may)"
        if code < 0:
            return f"it ended the process with signal {-code} ({signal.strsignal(-code)})"
        return f"it ended the process with code {code}"

    def stop(self) -> None:
        """End the child with all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._said.close()
        self._complaints.close()


def try_offers(offers: Iterable[Offer], whole: bool) -> Iterator[tuple[Offer, Report]]:
    """Load offers in a child each, some at a time.

    Args:
        offers: what to load.
        whole: whether implementations are loaded too, and not specs alone.
    """
    running: deque[tuple[Offer, Trial]] = deque()
    try:
        for offer in offers:
            if len(running) == (os.cpu_count() or 1):
                yield _first(running)
            running.append((offer, Trial({"offer": asdict(offer), "whole": whole})))
        while running:
            yield _first(running)
    finally:
        for _, trial in running:
            trial.stop()


def _first(running: deque[tuple[Offer, Trial]]) -> tuple[Offer, Report]:
    offer, trial = running.popleft()
    lines, end, last_words = trial.finish()
    report = Report(**lines[-1]["report"]) if lines else Report()
    if end:
        where = report.fields["implementation"] if report.fields else offer.value
        error = not_loaded(offer, where, end) + "."
        report = Report(report.fields, report.fields is not None, error, last_words)
    return offer, report
