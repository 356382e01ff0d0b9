"""`lcd-bench`: the commands, and how each ends."""

from __future__ import annotations

from typing import Annotated

import typer

from lcd_plugin import __version__
from lcd_plugin.cli.check_plugin import check_plugin_command
from lcd_plugin.cli.compare import compare_command
from lcd_plugin.cli.data import data_app
from lcd_plugin.cli.doctor import doctor_command
from lcd_plugin.cli.embed import embed_command
from lcd_plugin.cli.explain import explain_command
from lcd_plugin.cli.list import list_command
from lcd_plugin.cli.new import new_dataset_command, new_method_command
from lcd_plugin.cli.plugins import plugins_command
from lcd_plugin.cli.report import report_command
from lcd_plugin.cli.run import run_command
from lcd_plugin.cli.status import status_command

app = typer.Typer(
    name="lcd-bench",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compare self-supervised pretraining of ECG encoders: accuracy, labels saved, time.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"lcd-bench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


app.command("run")(run_command)
app.command("status")(status_command)
app.command("report")(report_command)
app.command("compare")(compare_command)
app.command("doctor")(doctor_command)
app.command("embed")(embed_command)
app.command("explain")(explain_command)
app.command("list")(list_command)
app.command("plugins")(plugins_command)
app.command("check-plugin")(check_plugin_command)
app.command("new-method")(new_method_command)
app.command("new-dataset")(new_dataset_command)
app.add_typer(data_app, name="data")


def main() -> None:
    """Entry point of the console script."""
    app()
