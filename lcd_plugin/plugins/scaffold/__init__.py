"""Packages for a method or a dataset of one's own, written from templates."""

from lcd_plugin.plugins.scaffold.new_package import Names, names_of, write_package

__all__ = ["Names", "names_of", "write_package"]
