"""The connection to a Ray cluster: one that is there, or one of our own on this machine."""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lcd_plugin.bench.executors.own_folder import OwnFolder
from lcd_plugin.errors import ConfigError

# Seconds in which the machine of an address answers.
ANSWER_S = 5.0
# Bytes for results on their way, of a cluster of our own; more goes by disk.
OBJECTS = 256 * 2**20
# Sockets lie below Ray's folder, and their paths can have no more than 107 bytes.
LONGEST_FOLDER = 20
# Read when Ray is imported. It would write what its nodes say to stdout, which is the result's.
QUIET = {"RAY_DEDUP_LOGS_SKIP_REGEX": "^", "RAY_USAGE_STATS_ENABLED": "0"}


class RayCluster:
    """A Ray cluster that this process is connected to.

    Args:
        address: HOST:PORT, or `auto` for the one that this machine belongs to; None starts one.
        cpus: of one that is started.
        gpus: of one that is started; None is all that there are.

    Attributes:
        ray: the module.

    Raises:
        ConfigError: Ray is not installed, or the address does not answer.
    """

    def __init__(self, address: str | None, cpus: int = 1, gpus: int | None = 0) -> None:
        os.environ |= {name: os.environ.get(name, value) for name, value in QUIET.items()}
        if address is None:
            _close_to_others()
        try:
            self.ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise ConfigError(
                "--executor ray needs Ray, which is not installed: pip install 'lcd-plugin[ray]'."
            ) from error
        logging.getLogger("ray").setLevel(logging.ERROR)
        self._folder: OwnFolder | None = None
        quiet = {"log_to_driver": False, "configure_logging": False}
        if address is not None:
            _reach(address)
            self._connect(f"The Ray cluster {address} cannot be used", address=address, **quiet)
            return
        self._folder = OwnFolder(_short_folder())
        self._connect(
            "No Ray cluster can be started on this machine",
            address="local",
            num_cpus=cpus,
            num_gpus=gpus,
            include_dashboard=False,
            object_store_memory=OBJECTS,
            _temp_dir=str(self._folder.path),
            **quiet,
        )

    @property
    def own(self) -> bool:
        """Whether it was started by this process."""
        return self._folder is not None

    def nodes(self) -> dict[str, dict[str, float]]:
        """What the nodes that are alive have in all, by their id."""
        return {node["NodeID"]: node["Resources"] for node in self.ray.nodes() if node["Alive"]}

    def close(self) -> None:
        """Leave the cluster; end it if it is ours."""
        self.ray.shutdown()
        if self._folder is not None:
            self._folder.close()

    def _connect(self, what: str, **how: Any) -> None:
        try:
            with _own_signals():
                self.ray.init(**how)
        except (Exception, SystemExit) as error:
            self.close()
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ConfigError(f"{what}: {lines[0].rstrip('.')}.") from error


def usual_workers(nodes: list[dict[str, float]], gpus_each: int) -> int:
    """How many workers a cluster is good for: one for each node, or for its GPUs."""
    if gpus_each:
        return max(1, sum(int(node.get("GPU", 0) // gpus_each) for node in nodes))
    return max(1, sum(node.get("CPU", 0) >= 1 for node in nodes))


def most_threads(nodes: list[dict[str, float]], workers: int) -> int:
    """The most threads that so many workers can have each."""
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    possible = range(max(cpus, default=1), 1, -1)
    return next((n for n in possible if sum(c // n for c in cpus) >= workers), 1)


def _reach(address: str) -> None:
    """Try an address for a few seconds, where Ray would for minutes."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit()) or "/" in host:
        raise ConfigError(
            f"--address takes HOST:PORT of the head of a Ray cluster that this machine is a node "
            f"of, or auto; got '{address}'."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"No Ray cluster answers at {address} ({error}); start one there with "
            f"ray start --head, or leave --address out for one on this machine."
        ) from error


def _short_folder() -> Path:
    usual = Path(tempfile.gettempdir())
    return usual if len(os.fsencode(usual)) <= LONGEST_FOLDER else Path("/tmp")


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep Ray from taking over what a signal does."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        try:
            for number, handler in before.items():
                signal.signal(number, handler)
        except ValueError:  # not in the main thread, where Ray leaves them alone
            pass


def _close_to_others() -> None:
    """Let nobody else on this machine into a cluster that is started, and keep no token for it."""
    if "RAY_AUTH_MODE" not in os.environ and "RAY_AUTH_TOKEN" not in os.environ:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
