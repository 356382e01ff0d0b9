"""A temporary folder that does not stay, even if the process that made it was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from filelock import FileLock

PREFIX = "lcd-bench-ray-"
LOCK = "lock"
# Seconds after which the folder of a process that lives has its lock for certain.
SETTLED_S = 60.0


class OwnFolder:
    """A folder with a lock that its process holds; those whose process is gone are removed.

    Args:
        parent: where to make it; None is where temporary files go.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _clear_up(parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        # Any thread may give it back.
        self._lock = FileLock(self.path / LOCK, thread_local=False)
        self._lock.acquire()

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def _clear_up(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        # What somebody else has put there under such a name is neither opened nor removed.
        with contextlib.suppress(OSError):
            status = folder.lstat()
            old = time.time() - status.st_mtime > SETTLED_S
            if old and status.st_uid == os.getuid() and not folder.is_symlink():
                with FileLock(folder / LOCK, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)
