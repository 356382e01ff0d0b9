"""The child process in which plugins are tried out: `python -m lcd_plugin.plugins.probe REQUEST`.

It says what it finds in lines of JSON on a descriptor of its own, where nobody else prints to.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lcd_plugin.plugins.complaint import last_calls, named
from lcd_plugin.plugins.offers import Offer, not_loaded, read_object, read_spec
from lcd_plugin.plugins.specs import SPEC_TYPES, Spec
from lcd_plugin.plugins.trials import ENDED, Report

Say = Callable[[Offer, Report], None]


def main() -> None:
    """Answer the request in the arguments, and end at once."""
    request = json.loads(sys.argv[1])
    # A watchdog that needs no Python to run: it shows where the plugin hangs, then ends this.
    faulthandler.dump_traceback_later(request["limit"], exit=True)
    answers = request["answers"]
    os.set_inheritable(answers, False)

    def line(document: dict[str, Any]) -> None:
        os.write(answers, json.dumps(document, default=str).encode() + b"\n")

    def say(offer: Offer, report: Report) -> None:
        line({"offer": asdict(offer), "report": asdict(report)})

    if "file" in request:
        _try_file(Path(request["file"]), request["spec"], say, line)
    else:
        _try(Offer(**request["offer"]), request["whole"], say)
    line(ENDED)
    # Threads that a plugin left running are not waited for.
    os._exit(0)


def _try(offer: Offer, whole: bool, say: Say) -> None:
    """Load an offer's spec, then its implementation if asked to or if it is there already."""
    where, report = offer.value, Report()
    try:
        spec = read_spec(offer)
        report = Report(asdict(spec))
        say(offer, report)
        where = spec.implementation
        if not whole and where.partition(":")[0] not in sys.modules:
            return
        read_object(where)
    except BaseException as error:  # SystemExit and KeyboardInterrupt too
        why, shown = not_loaded(offer, where, error), last_calls(error)
        say(offer, Report(report.fields, report.fields is not None, why, shown))
    else:
        say(offer, Report(report.fields, tried=True))


def _try_file(path: Path, wanted: str, say: Say, line: Callable[[dict[str, Any]], None]) -> None:
    """Load a file and report the specs in it, or the one that is wanted."""
    try:
        module = importlib.import_module(path.stem)
        specs = {wanted: getattr(module, wanted)} if wanted else dict(vars(module))
    except BaseException as error:
        line({"error": named(error), "traceback": last_calls(error)})
        return
    for attribute, kind, spec in _specs(specs):
        value, version = f"{path.stem}:{attribute}", str(spec.version)
        _try(Offer(kind, spec.name, value, path.name, version, "file"), False, say)


def _specs(found: dict[str, Any]) -> Iterator[tuple[str, str, Spec]]:
    seen: list[Any] = []
    for attribute, value in found.items():
        for kind, spec_type in SPEC_TYPES.items():
            # The same spec under two names is one.
            if isinstance(value, spec_type) and not any(value is other for other in seen):
                seen.append(value)
                yield attribute, kind, value


if __name__ == "__main__":
    main()
