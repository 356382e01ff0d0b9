"""`lcd-bench data`: looking at datasets, fetching them, checking them, preparing them."""

import typer

from lcd_plugin.cli.data.download import download_command
from lcd_plugin.cli.data.info import info_command
from lcd_plugin.cli.data.prepare import prepare_command
from lcd_plugin.cli.data.verify import verify_command

data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Datasets: what they hold, fetching, checking and preparing them.",
)
data_app.command("info")(info_command)
data_app.command("prepare")(prepare_command)
data_app.command("verify")(verify_command)
data_app.command("download")(download_command)
