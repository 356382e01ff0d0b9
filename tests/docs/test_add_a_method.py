"""The page "Add a method" is followed to the letter, as anyone with a package would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add-a-method.md"


def test_the_method_of_the_page_runs_from_a_package_of_its_own(tmp_path: Path) -> None:
    blocks = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE.read_text(), re.S)
    files = dict(blocks)
    assert set(files) == {"my_ecg_ssl/barlow.py", "my_ecg_ssl/specs.py", "pyproject.toml"}
    package = tmp_path / "site"
    (package / "my_ecg_ssl").mkdir(parents=True)
    for name, text in files.items():
        (package / name).write_text(text)
    # What an installer makes of the project file, without the time that an installer takes.
    points = tomllib.loads(files["pyproject.toml"])["project"]["entry-points"]
    installed = package / "my_ecg_ssl-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my-ecg-ssl\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in members.items())
        for group, members in points.items()
    ]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    command = [
        sys.executable, "-m", "lcd_plugin.cli", "run", "quick", "-m", "my_barlow", "-m", "random",
        "--limit", "120", "--epochs", "1", "--batch-size", "32", "--label-fractions", "1",
        "--set", "my_barlow.lambda_param=0.01", "-o", str(tmp_path / "out"), "--json",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(package)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    board = json.loads(done.stdout)["leaderboard"]
    assert {row["method"] for row in board["rows"]} == {"my_barlow", "random"}
    results = [json.loads(p.read_text()) for p in (tmp_path / "out").glob("pretrain/*/result.json")]
    own = next(r for r in results if r["identity"]["method"] == "my_barlow")
    assert own["identity"]["config"]["lambda_param"] == 0.01
    assert own["provenance"]["plugins"]["method"] == "my-ecg-ssl 1.0"
