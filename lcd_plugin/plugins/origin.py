"""Where a plugin comes from, and which code it is; found without importing anything."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
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
    return _fingerprint(_sources(module))


def code_of_file(module: str, implementation: str) -> str:
    """The fingerprint of a file from `--plugin`, with all that it imports from its own folder.

    Args:
        module: the file's name as a module.
        implementation: dotted name of the module that its spec names; most often the same.
    """
    found = find_spec(module)
    folder = Path(found.origin).parent if found is not None and found.origin else None
    names, sources = [module, implementation], dict[str, Path]()
    done = set[str]()
    while names:
        name = names.pop()
        done.add(name)
        for file, path in _sources(name):
            sources[f"{name.partition('.')[0]}/{file}"] = path
            names += {n for n in _imported(path) if n not in done and _lies_in(folder, n)}
    return _fingerprint(sources.items())


def _fingerprint(sources: Iterable[tuple[str, Path]]) -> str:
    total = hashlib.sha256()
    empty = True
    for name, path in sorted(sources):
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


def _imported(path: Path) -> Iterator[str]:
    """Top-level names of what a file imports, read off its text."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _lies_in(folder: Path | None, top: str) -> bool:
    """Whether what is imported under a top-level name lies in a folder; ours does not count."""
    try:
        found = find_spec(top) if top != OWN_PACKAGE else None
    except (ImportError, ValueError):
        return False
    if found is None:
        return False
    places = found.submodule_search_locations or [found.origin or ""]
    return all(Path(place).parent == folder for place in places)
