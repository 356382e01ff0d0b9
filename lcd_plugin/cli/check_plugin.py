"""`lcd-bench check-plugin`: whether a plugin does what the host relies on."""

from __future__ import annotations

import json
import time
import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcd_plugin.cli.datasets import folders_of
from lcd_plugin.cli.ending import GATE_FAILED, command, quiet_fabric
from lcd_plugin.cli.own_stdout import own_stdout
from lcd_plugin.cli.plugin_files import PluginFiles, add_plugin_files

if TYPE_CHECKING:
    from lcd_plugin.testing import Check


@command
def check_plugin_command(
    plugin: Annotated[
        str,
        typer.Argument(
            help="A method, dataset or encoder; of a dataset, where it lies.",
            metavar="NAME[=FOLDER]",
            show_default=False,
        ),
    ],
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what trains for some seconds.")
    ] = False,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting, such as NAME.width=0.25."),
    ] = None,
    plugin_files: PluginFiles = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check that a plugin does what the host relies on; what fails is said with what to do.

    A name that several kinds of plugin have is checked as each of them. Ends with 4 if a check
    failed.

    Examples:
      lcd-bench check-plugin my_method

      lcd-bench check-plugin my_dataset=FOLDER --plugin my_dataset.py
    """
    add_plugin_files(plugin_files)
    with own_stdout():
        checks = _checks(plugin, assignments or [], quick)
    rows = []
    for check in checks:
        with own_stdout():
            rows.append(_run(check))
        if not as_json:
            typer.echo(_line(rows[-1], width=max(len(c.name) for c in checks)))
    failed = sum(row["status"] == "failed" for row in rows)
    if as_json:
        document = {"schema": 1, "plugin": plugin, "failed": failed, "checks": rows}
        typer.echo(json.dumps(document, indent=1))
    else:
        left = sum(row["status"] == "not checked" for row in rows)
        end = f"{failed} of {len(rows)} checks failed" + (f", {left} not checked" if left else "")
        typer.echo(end if failed else "all checks passed")
    if failed:
        raise typer.Exit(GATE_FAILED)


def _checks(plugin: str, assignments: list[str], quick: bool) -> list[Check]:
    from lcd_plugin.bench.suite import load_suite
    from lcd_plugin.testing.kit import checks_for, kinds_of

    name = plugin.partition("=")[0]
    kinds = kinds_of(name)
    # What a run would make of the same settings; which plugins it compares does not matter.
    flags = {"methods": ["random"], "datasets": ["synthetic"], "settings": folders_of([plugin])}
    settings = dict(load_suite(None, assignments, flags).settings.get(name, {}))
    path = settings.pop("path", None)
    places: Any = {"dataset": {"path": path}}
    checks = [
        check
        for kind in kinds
        for check in checks_for(kind, name, settings, slow=not quick, **places.get(kind, {}))
    ]
    quiet_fabric()
    return checks


def _run(check: Check) -> dict[str, Any]:
    from lcd_plugin.testing.check import ConformanceError, ConformanceWarning, NotCheckedError

    start, status = time.perf_counter(), "ok"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            message = check.run()
        except NotCheckedError as error:
            status, message = "not checked", str(error).removeprefix("not checked: ")
        except ConformanceError as error:
            status, message = "failed", str(error)
    cautions = [str(w.message) for w in caught if issubclass(w.category, ConformanceWarning)]
    if status == "ok" and cautions:
        status, message = "warning", " ".join([*cautions, message]).strip()
    return {
        "plugin": check.trial.title,
        "check": check.name,
        "about": check.about,
        "status": status,
        "message": message,
        "seconds": round(time.perf_counter() - start, 3),
    }


def _line(row: dict[str, Any], width: int) -> str:
    status = row["status"].upper() if row["status"] == "failed" else row["status"]
    message = f"  {row['message']}" if row["message"] else ""
    return f"{row['plugin']}  {row['check']:<{width}}  {status}{message}"
