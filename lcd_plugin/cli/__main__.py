"""`python -m lcd_plugin.cli`: the command line without its console script."""

from lcd_plugin.cli.main import main

main()
