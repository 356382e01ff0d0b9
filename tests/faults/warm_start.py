"""`lcd-bench` in a process that was forked from one with all imports done, and told what to do."""

from __future__ import annotations

import errno
import multiprocessing.process
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any


def run(request: dict[str, Any]) -> None:
    # As in any process that a shell starts: in a group of its own, and nobody's worker.
    os.setsid()
    multiprocessing.process._parent_process = None
    os.environ.clear()
    os.environ.update(request["environment"])
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    sys.argv = ["lcd-bench", *request["arguments"]]
    if host := os.environ.get("LCD_BENCH_TEST_HOST"):
        be_on_another_host(host)
    if flag := os.environ.get("LCD_BENCH_TEST_FULL"):
        have_a_full_disk(Path(flag))
    from lcd_plugin.cli.main import main

    main()


def be_on_another_host(name: str) -> None:
    """Look to other runners as if this were one elsewhere; and take them for dead in a second."""
    from lcd_plugin.bench import claims, runner, runners

    runners._boot = lambda: name
    claims.Watch = partial(runners.Watch, silent_s=1.5)
    runner.Presence = partial(runners.Presence, beat_s=0.2)


def have_a_full_disk(flag: Path) -> None:
    """Where nothing can be mounted: nothing can be written while there is a file."""
    really = os.fsync

    def fsync(descriptor: int) -> None:
        if flag.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really(descriptor)

    os.fsync = fsync


# Put there by whoever runs this file, see `Bench.call`.
run(globals()["REQUEST"])
