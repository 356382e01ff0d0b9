"""What is downloaded for a dataset, and whereto."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lcd_plugin.errors import ConfigError
from lcd_plugin.plugins.specs import DatasetSpec


@dataclass(frozen=True)
class Target:
    """A download.

    Attributes:
        root: folder of the release on this machine.
        source: address of the release, with a `/` at its end.
        part: folder in the release; "" is all of it.
    """

    root: Path
    source: str
    part: str


def find_target(spec: DatasetSpec, folder: str | None = None, source: str | None = None) -> Target:
    """Where a dataset's release comes from and goes to.

    Args:
        spec: the dataset.
        folder: the release's root folder; by default the one in `LCD_BENCH_DATA`.
        source: address of the release; by default the spec's.

    Raises:
        ConfigError: there is nothing to download, no address, or no folder.
    """
    if not spec.needs_path:
        raise ConfigError(
            f"Dataset '{spec.name}' needs no download: its records are made on this machine."
        )
    address = source or spec.source
    if not address:
        where = f" (see {spec.paper})" if spec.paper else ""
        raise ConfigError(
            f"Dataset '{spec.name}' has no address to be downloaded from: fetch it by "
            f"hand{where}, or give the address of a copy with --source URL."
        )
    return Target(_root(spec, folder), check_source(address), spec.part.strip("/"))


def check_source(address: str) -> str:
    """The address of a release's folder, with a `/` at its end.

    Raises:
        ConfigError: it is none.
    """
    wrong = ""
    try:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            wrong = "is no http(s) address"
        elif parts.username or parts.password:
            # It would end up in messages and logs.
            return _refuse(parts.hostname, "holds a password; put it into ~/.netrc instead")
        elif parts.query or parts.fragment:
            wrong = "must end with a folder, without '?' or '#'"
        elif parts.port == 0 or not address.isprintable():
            wrong = "is no usable address"
    except ValueError:
        wrong = "is no usable address"
    if wrong:
        _refuse(address, f"{wrong}; give one such as https://host/release/1.0/")
    return address.rstrip("/") + "/"


def _refuse(address: str, why: str) -> str:
    raise ConfigError(f"The source {address!r} {why}.")


def _root(spec: DatasetSpec, folder: str | None) -> Path:
    if folder:
        return Path(folder).expanduser()
    datasets = os.environ.get("LCD_BENCH_DATA")
    if not datasets:
        raise ConfigError(
            f"Dataset '{spec.name}' needs a folder to be downloaded to: give {spec.name}=FOLDER, "
            f"or set LCD_BENCH_DATA to the folder of all datasets."
        )
    return Path(datasets).expanduser() / (spec.folder or spec.name)
