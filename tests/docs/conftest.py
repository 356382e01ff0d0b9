"""A page of the docs as its reader follows it: files are put where it says, commands are typed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
# What makes a comparison of a page last seconds; nothing that the page says depends on it.
SMALL = [
    "--limit", "120", "--epochs", "1", "--batch-size", "32", "--label-fractions", "1",
]  # fmt: skip


class Reader:
    """Somebody who has installed lcd-plugin and follows a page in an empty folder."""

    def __init__(self, page: str, folder: Path) -> None:
        self.folder = folder
        text = (DOCS / page).read_text(encoding="utf-8")
        self.files = dict(re.findall(r"```(?:python|toml|csv)\n# (\S+)\n(.*?)```", text, re.S))
        consoles = "".join(re.findall(r"```console\n(.*?)```", text, re.S))
        self.commands = re.findall(r"^\$ (.*)$", consoles.replace("\\\n", ""), re.M)
        self.path: list[str] = []

    def write(self, names: list[str], into: str = "") -> None:
        """Put blocks of the page where their first lines say."""
        for name in names:
            place = self.folder / into / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(self.files[name], encoding="utf-8")

    def install(self, project: str) -> None:
        """What an installer makes of a folder, without the time that an installer takes."""
        site = self.folder / project
        document = tomllib.loads((site / "pyproject.toml").read_text(encoding="utf-8"))
        name = document["project"]["name"].replace("-", "_")
        installed = site / f"{name}-1.0.dist-info"
        installed.mkdir()
        (installed / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {document['project']['name']}\nVersion: 1.0\n"
        )
        lines = [
            f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in members.items())
            for group, members in document["project"]["entry-points"].items()
        ]
        (installed / "entry_points.txt").write_text("\n".join(lines))
        self.path.append(str(site))

    def type(self, line: str, *more: str, code: int = 0) -> str:
        """Run a command line; what it printed."""
        words = shlex.split(line, comments=True)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(self.path)}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        program = {"lcd-bench": ["-m", "lcd_plugin.cli"], "python": []}[words[0]]
        done = subprocess.run(
            [sys.executable, *program, *words[1:], *more],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run(self, line: str, *more: str) -> str:
        """Run a comparison of the page, made small."""
        return self.type(line, *SMALL, *more)


@pytest.fixture
def read_page(tmp_path: Path) -> Callable[[str], Reader]:
    """A reader of a page, by the page's file name."""
    return lambda page: Reader(page, tmp_path)
