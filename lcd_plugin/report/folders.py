"""Output folders with short names, each once."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


def named_folders(outs: Iterable[Path]) -> dict[str, Path]:
    """Folders by short names, in the order in which they come first.

    A name is that of the folder, with as many of the folders above it as tell equal names apart
    (`alice/out`, `bob/out`). One folder under several paths counts once, under the first.
    """
    once: dict[Path, Path] = {}
    for out in outs:
        # Named as it was given: the target of a link may be called anything.
        once.setdefault(out.resolve(), Path(os.path.abspath(out)))  # noqa: PTH100
    alike: dict[str, list[Path]] = defaultdict(list)
    for path in once.values():
        alike[path.name].append(path)
    return {_name(path, alike[path.name]): path for path in once.values()}


def _name(path: Path, alike: list[Path]) -> str:
    """The shortest end of a path that none of those of its name shares."""
    for depth in range(1, len(path.parts)):
        ends = {Path(*other.parts[-depth:]) for other in alike}
        if len(ends) == len(alike):
            return Path(*path.parts[-depth:]).as_posix()
    return path.as_posix()
