"""A release on a server of this process, which can misbehave in all ways that tests ask for."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from lcd_plugin.data.download.manifest import MANIFEST
from lcd_plugin.data.download.transfer import Patience

Act = Callable[["Handler", bytes], None]


def noise(n_bytes: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(n_bytes)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        release = self.server.release
        name = unquote(self.path).lstrip("/")
        with release.lock:
            release.asked.append((name, self.headers.get("Range")))
            release.now += 1
            release.most = max(release.most, release.now)
            acts = release.acts[name]
            act = acts[0] if len(acts) == 1 and name in release.always else None
            act = act or (acts.pop(0) if acts else Handler.answer)
        try:
            content = release.manifest() if name == MANIFEST else release.files.get(name)
            if content is None:
                self.answer_status(404)
            else:
                act(self, content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with release.lock:
                release.now -= 1

    def answer(self, content: bytes) -> None:
        self.wfile.write(self.begin(content))

    def begin(self, content: bytes) -> bytes:
        """Send the head of an answer; the bytes that must follow."""
        start = 0
        asked = self.headers.get("Range")
        if asked and self.server.release.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.answer_status(416)
                return b""
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        return content[start:]

    def answer_status(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # With the default of 5, eight clients at once now and then wait a second for a connection.
    request_queue_size = 64
    release: Release


class Release:
    """Files by name, what is listed of them, and what was asked for.

    `act(name, ...)` makes the next answers special; `always=True` all of them.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.listed: dict[str, str] = {
            name: hashlib.sha256(content).hexdigest() for name, content in files.items()
        }
        self.lines: list[str] | None = None
        self.ranges = True
        self.acts: dict[str, list[Act]] = defaultdict(list)
        self.always: set[str] = set()
        self.asked: list[tuple[str, str | None]] = []
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.release = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/"

    def manifest(self) -> bytes:
        lines = self.lines or [f"{digest}  {name}" for name, digest in self.listed.items()]
        return ("\n".join(lines) + "\n").encode()

    def act(self, name: str, *acts: Act, always: bool = False) -> None:
        self.acts[name] = list(acts)
        if always:
            self.always.add(name)

    def gets(self) -> list[tuple[str, str | None]]:
        """Requests of files, the manifest's left out."""
        return [(name, start) for name, start in self.asked if name != MANIFEST]

    @staticmethod
    def cut(after: int) -> Act:
        def act(handler: Handler, content: bytes) -> None:
            handler.wfile.write(handler.begin(content)[:after])
            handler.close_connection = True

        return act

    @staticmethod
    def status(status: int, **headers: str) -> Act:
        return lambda handler, content: handler.answer_status(status, **headers)

    @staticmethod
    def instead(other: bytes) -> Act:
        return lambda handler, content: handler.answer(other)

    @staticmethod
    def chunked(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(content), 50_000):
            piece = content[start : start + 50_000]
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    @staticmethod
    def slow(seconds: float, piece: int = 1 << 16) -> Act:
        def act(handler: Handler, content: bytes) -> None:
            rest = handler.begin(content)
            for start in range(0, len(rest), piece):
                time.sleep(seconds)
                handler.wfile.write(rest[start : start + piece])

        return act


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, bytes]], Release]]:
    """Serve files; ends with the test."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    releases: list[Release] = []

    def start(files: dict[str, bytes]) -> Release:
        releases.append(Release(files))
        return releases[-1]

    yield start
    for release in releases:
        release.server.shutdown()
        release.server.server_close()


@pytest.fixture
def release(serve: Callable[[dict[str, bytes]], Release]) -> Release:
    """Small files in folders, one of several pieces, names that need quoting."""
    files = {f"training/a/g1/A{i:04d}.mat": noise(3000 + i, i) for i in range(6)}
    files |= {f"training/b/B{i:04d}.hea": f"record {i}".encode() for i in range(3)}
    files |= {
        "RECORDS": b"A0000\n",
        "empty.txt": b"",
        "large.bin": noise(300_000, 99),
        "odd names/50% of #1? ä.csv": b"a,b\n",
    }
    return serve(files)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "outer" / "release"


@pytest.fixture
def patience() -> Patience:
    """As little as fits in a test."""
    return Patience(retries=2, backoff=0.001, longest_wait=0.02, read_timeout=5)


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    """All files below a folder, the manifest left out."""

    def read(root: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file() and path != root / MANIFEST
        }

    return read
