"""Plugins from a file without packaging: `--plugin FILE.py` or `--plugin FILE.py:SPEC`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.plugins.offers import Offer
from lcd_plugin.plugins.registry import DATASETS, ENCODERS, METHODS, PluginLoadError
from lcd_plugin.plugins.trials import Report, Trial

REGISTRIES = {registry.kind: registry for registry in (METHODS, DATASETS, ENCODERS)}


def add_files(texts: Iterable[str]) -> None:
    """Add the specs of files to the registries, for as long as this process lives.

    A file is a module under its own name: `mine.py` with the class `Mine` has the spec
    `MethodSpec(name="mine", implementation="mine:Mine", ...)`.

    Args:
        texts: `FILE.py` for all specs at its top level, or `FILE.py:SPEC` for one.

    Raises:
        ConfigError: there is no such file, or its name cannot be imported.
        PluginError: it cannot be loaded, has no such spec, or a name that is taken.
    """
    for text in texts:
        path, spec = _parts(text)
        for offer, report in _found(path, spec):
            REGISTRIES[offer.kind].add(offer, report)


def _parts(text: str) -> tuple[Path, str]:
    name, colon, spec = text.rpartition(":")
    if not colon or text.endswith(".py"):
        name, spec = text, ""
    path = Path(name).expanduser().absolute()
    if path.suffix != ".py" or (colon and not name.endswith(".py")):
        raise ConfigError(f"--plugin takes FILE.py or FILE.py:SPEC; got '{text}'.")
    if not path.is_file():
        raise ConfigError(f"--plugin {text}: there is no file {path}.")
    if not path.stem.isidentifier() or path.stem.startswith("__"):
        raise ConfigError(
            f"--plugin {text}: {path.name} is imported as a module, and '{path.stem}' is no name "
            f"for one; use letters, digits and _ alone."
        )
    _put_on_search_path(path)
    return path, spec


def _put_on_search_path(path: Path) -> None:
    """Make a file importable by its stem, last of all, so that its neighbours hide nothing."""
    known = find_spec(path.stem)
    # A folder without `__init__.py` has no origin and hides nothing.
    where = known.origin if known is not None else None
    if where is not None and not (Path(where).is_file() and path.samefile(where)):
        raise ConfigError(
            f"{path.name} has the name of another module, '{path.stem}' ({where}); "
            f"give it a name of its own."
        )
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))


def _found(path: Path, spec: str) -> list[tuple[Offer, Report]]:
    lines, end, last_words = Trial({"file": str(path), "spec": spec}).finish()
    if lines and "error" in lines[-1]:
        end, last_words = lines[-1]["error"], lines[-1]["traceback"]
    if end:
        raise PluginLoadError(f"The file {path.name} cannot be loaded: {end}", last_words)
    # The last word on an offer counts.
    reports = {Offer(**line["offer"]): Report(**line["report"]) for line in lines}
    if not reports:
        raise PluginError(
            f"The file {path.name} has no {f'spec {spec}' if spec else 'spec'} at its top level; "
            f'give it one, such as SPEC = MethodSpec(name="{path.stem}", '
            f'implementation="{path.stem}:{path.stem.title()}", summary="...").'
        )
    return list(reports.items())
