"""`lcd-bench new-method` and `new-dataset`: a package of one's own to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lcd_plugin.cli.ending import command

if TYPE_CHECKING:
    from lcd_plugin.plugins.scaffold.new_package import Kind, Names


def _name(example: str) -> Any:
    return typer.Argument(metavar="NAME", help=f"Such as {example}: letters, digits, - and _.")


Folder = Annotated[
    Path | None, typer.Option("-o", "--output", help="Folder to write; NAME in this one.")
]


@command
def new_method_command(name: Annotated[str, _name("my-method")], out: Folder = None) -> None:
    """Write an installable package with a method that works, to be changed into yours."""
    names = _write("method", name, out or Path(name))
    _tell_next(out or Path(name), [f"lcd-bench run quick -m {names.package} -m random"])


@command
def new_dataset_command(name: Annotated[str, _name("my-ecgs")], out: Folder = None) -> None:
    """Write an installable package with a dataset that works, to be changed into yours."""
    names = _write("dataset", name, out or Path(name))
    folder = out or Path(name)
    examples = folder / "tests" / "example_records.py"
    _tell_next(
        folder,
        [
            f"python {shlex.quote(str(examples))} example",
            f"lcd-bench run quick -d {names.package}=example -m lcd -m random",
        ],
    )


def _write(kind: Kind, name: str, folder: Path) -> Names:
    from lcd_plugin.bench.suite import Suite
    from lcd_plugin.plugins.scaffold import names_of, write_package

    # `--set views.crop=...` is a setting of the suite, whatever plugin is called `views`.
    names = names_of(name, reserved=Suite.model_fields)
    write_package(kind, names, folder)
    return names


def _tell_next(folder: Path, run: list[str]) -> None:
    # With ./ it cannot be taken for a package of that name.
    place = str(folder) if folder.is_absolute() else f"./{folder}"
    install = f'pip install -e "{place}[test]"'
    typer.echo(f"Wrote {folder}. Next:")
    for line in (install, *run, f"python -m pytest {shlex.quote(str(folder))}"):
        typer.echo(f"  {line}")
