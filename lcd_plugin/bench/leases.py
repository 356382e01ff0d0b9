"""Claims of cells: of several runners on one folder, one computes a cell at a time.

A claim is a file that only one can make. A dead runner's is taken over by making the next one:
`<key>.0`, `<key>.1`, ... Who has made one looks again, and steps back if a living one is there.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from lcd_plugin.files import read_limited

LEASES = "leases"
MOST = 4096
# Seconds after which a claim without a name is nobody's.
NAMELESS_S = 10.0


class Leases:
    """The claims of a runner.

    Args:
        out: the output folder.
        runner: its name.
        is_dead: whether a runner will never come back, by its name.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        out: Path,
        runner: str,
        is_dead: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = out / LEASES
        self._runner, self._is_dead, self._clock = runner, is_dead, clock
        self._nameless: dict[tuple[Path, int, int], float] = {}
        self._held: dict[str, Path] = {}

    def take(self, key: str) -> bool:
        """Claim a cell; False if another runner has it.

        Raises:
            OSError: nothing can be written.
        """
        before = self._claims(key)
        if not all(self._abandoned(path) for path in before):
            return False
        last = max((_number(path) for path in before), default=-1)
        own = self._folder / f"{key}.{last + 1}"
        try:
            self._make(own)
        except FileExistsError:
            return False
        self._held[key] = own
        # Looked at anew: a name that was a dead runner's before may be a living one's by now.
        others = [path for path in self._claims(key) if path != own]
        if not all(self._abandoned(path) for path in others):
            # Two came at once, over a claim that was given back between: neither has it, and both
            # will try again.
            self.release(key)
            return False
        for path in others:
            path.unlink(missing_ok=True)
        return True

    def holds(self, key: str) -> bool:
        """Whether a claim is still ours: another runner may have taken us for dead.

        A claim that cannot be read at the moment is no sign of that.
        """
        own = self._held.get(key)
        if own is None:
            return False
        try:
            return read_limited(own, MOST) == self._runner.encode()
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def release(self, key: str) -> None:
        """Give a claim back."""
        own = self._held.pop(key, None)
        if own is not None and _owner(own) == self._runner:
            # One that stays is not held any more, and so abandoned.
            with contextlib.suppress(OSError):
                own.unlink(missing_ok=True)

    def release_all(self) -> None:
        """Give everything back."""
        for key in list(self._held):
            self.release(key)
        with contextlib.suppress(OSError):
            self._folder.rmdir()  # if nobody else has any

    def clear_up(self) -> None:
        """Remove the claims of dead runners.

        Raises:
            OSError: nothing can be written.
        """
        try:
            keys = {path.name.partition(".")[0] for path in self._folder.iterdir()}
        except FileNotFoundError:
            return
        for key in keys - {""}:
            # By taking them over: another runner may be doing so at this moment.
            if self.take(key):
                self.release(key)
        with contextlib.suppress(OSError):
            self._folder.rmdir()  # if none is left

    def _abandoned(self, path: Path) -> bool:
        owner = _owner(path)
        if owner == self._runner:
            return path not in self._held.values()
        if owner:
            return self._is_dead(owner)
        # Somebody is between making it and writing their name, or was killed there.
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        # The time tells one file of this name from another, and is compared with nobody's clock.
        which = path, found.st_ino, found.st_mtime_ns
        return self._clock() - self._nameless.setdefault(which, self._clock()) > NAMELESS_S

    def _claims(self, key: str) -> list[Path]:
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - names are enough
        except FileNotFoundError:
            return []
        own = [name for name in names if name.startswith(f"{key}.")]
        return [self._folder / name for name in own if name.rpartition(".")[2].isdigit()]

    def _make(self, path: Path) -> None:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, flags, 0o644)
        except FileNotFoundError:  # another runner has just cleared the folder away
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, flags, 0o644)
        try:
            os.write(descriptor, self._runner.encode())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)


def _number(path: Path) -> int:
    return int(path.name.rpartition(".")[2])


def _owner(path: Path) -> str:
    """The runner of a claim; "" of one that is being written, or was given back."""
    try:
        return read_limited(path, MOST).decode(errors="replace")
    except OSError:
        return ""
