"""The page "Add an encoder" is followed to the letter: one file, then a package."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

CHECK_FILE = "lcd-bench check-plugin --plugin my_encoder.py my_encoder"
FILE = "lcd-bench run quick --plugin my_encoder.py -m lcd -m random -e my_encoder"
WIDTHS = f"{FILE} -e my_encoder:width=0.5"
LEADS = f"{FILE} -e my_encoder:leads=all"
CHECK = "lcd-bench check-plugin my_encoder"
INSTALLER = ["pip install -e ./my-encoders"]


@pytest.fixture
def reader(read_page: Callable[[str], Any]) -> Any:
    reader = read_page("add-an-encoder.md")
    reader.write(["my_encoder.py"])
    return reader


def _encoders(reader: Any, line: str, *more: str) -> list[str]:
    """Encoders of a comparison's leaderboard, which must have worked in all of its cells."""
    document = json.loads(reader.run(line, "--json", *more))
    assert document["failures"] == []
    return sorted({row["encoder"] for row in document["leaderboard"]["rows"]})


def test_every_block_and_every_command_of_the_page_is_tried(reader: Any) -> None:
    assert set(reader.files) == {"my_encoder.py", "my_encoders/specs.py", "pyproject.toml"}
    assert set(reader.commands) == {CHECK_FILE, WIDTHS, LEADS, CHECK, *INSTALLER}


def test_the_encoder_of_the_page_runs_at_two_widths_from_its_file(reader: Any) -> None:
    # All that the optional methods are for: a protocol and a setting that need them.
    extra = ["--protocol", "attentive", "--protocol", "finetune"]
    settings = ["--set", "finetune.layer_decay=0.75", "--set", "finetune.epochs=1"]
    assert len(_encoders(reader, WIDTHS, *extra, *settings)) == 2


def test_one_lead_and_all_leads_come_into_one_leaderboard(reader: Any) -> None:
    assert len(_encoders(reader, LEADS)) == 2


def test_the_encoder_conforms(reader: Any) -> None:
    reader.type(CHECK_FILE)


def test_timm_makes_it_too(reader: Any) -> None:
    code = (
        "import timm, torch, my_encoder\n"
        "network = timm.create_model('my_encoder', in_chans=3, width=0.5)\n"
        "assert network(torch.randn(2, 3, 64)).shape == (2, network.num_features) == (2, 64)\n"
        "tokens = network.forward_features(torch.randn(2, 3, 1000))\n"
        "assert tokens.shape[:2] == (2, 64)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=reader.folder)


def test_it_is_known_from_a_package_without_a_flag(reader: Any) -> None:
    reader.write(["my_encoders/specs.py", "pyproject.toml"], into="my-encoders")
    package = reader.folder / "my-encoders" / "my_encoders"
    (package / "__init__.py").touch()
    shutil.move(reader.folder / "my_encoder.py", package)
    reader.install("my-encoders")
    assert "my_encoder " in reader.type("lcd-bench list encoders")
    reader.type(CHECK)
