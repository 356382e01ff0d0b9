"""Which signals interrupt a run: not those that whoever started it has it ignore."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WAITING = """
import sys, time
from lcd_plugin.bench.interruption import interruption, interrupts
interrupts()
try:
    with interruption(raising=True):
        print("ready", flush=True)
        time.sleep(float(sys.argv[1]))
    print("end")
except KeyboardInterrupt:
    print("interrupted")
"""


def _sent(number: signal.Signals, ignored: tuple[signal.Signals, ...]) -> str:
    """What a process says at its end that a signal was sent to."""

    def ignore() -> None:
        for one in ignored:
            signal.signal(one, signal.SIG_IGN)

    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, "0.2" if number in ignored else "20"],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=ignore,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    return process.communicate(timeout=20)[0].strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_interrupts_unless_it_was_ignored_from_the_start(number: signal.Signals) -> None:
    assert _sent(number, ()) == "interrupted"
    assert _sent(number, (number,)) == "end"


def test_others_interrupt_what_nohup_started() -> None:
    assert _sent(signal.SIGTERM, (signal.SIGHUP,)) == "interrupted"
