"""Where a plugin comes from, and which code it is; found without importing anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

OWN_PACKAGE = "lcd_plugin"


@dataclass(frozen=True)
class Origin:
    """Where a plugin comes from.

    Attributes:
        distribution: name of the distribution, or of the file from `--plugin`.
        version: of the distribution, or of the spec in the file.
        code: fingerprint of its source, 16 hexadecimal digits; "" where there is none to read.
        own: whether it comes with this package.
    """

    distribution: str
    version: str
    code: str
    own: bool


def code_of(module: str) -> str:
    """The fingerprint of the source that a module belongs to.

    That is all Python files of its top-level package, or the one file of a module that is in none.
    Of this package, whose methods have nothing to do with each other, it is the module's own file.

    Args:
        module: dotted name; nothing needs to be imported for it.
    """
    total = hashlib.sha256()
    empty = True
    for name, path in sorted(_sources(module)):
        empty = False
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{name}\0{content}\n".encode())
    return "" if empty else total.hexdigest()[:16]


def _sources(module: str) -> Iterator[tuple[str, Path]]:
    """Files with names that do not depend on where the package lies."""
    top, _, inner = module.partition(".")
    try:
        found = find_spec(top)
    except (ImportError, ValueError):
        return
    if found is None:
        return
    folders = [Path(folder) for folder in found.submodule_search_locations or ()]
    if top == OWN_PACKAGE:
        for end in (".py", "/__init__.py"):
            name = inner.replace(".", "/") + end
            if (folders[0] / name).is_file():
                yield name, folders[0] / name
    elif folders:
        for folder in folders:
            files = (path for path in folder.rglob("*.py") if path.is_file())
            yield from ((path.relative_to(folder).as_posix(), path) for path in files)
    elif found.origin is not None and Path(found.origin).suffix == ".py":
        yield Path(found.origin).name, Path(found.origin)
