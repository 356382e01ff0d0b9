"""Plugins from a file without packaging, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest

LIGHT = """
    from lcd_plugin.plugins import EncoderSpec, MethodSpec

    FIRST = MethodSpec(name="first", implementation="mine:Mine", summary="one", version=3)
    SAME = FIRST
    SECOND = EncoderSpec(name="second", implementation="mine:Mine", summary="two")

    class Mine:
        home = __name__
"""
LOOK = """
    import json, sys
    from dataclasses import asdict
    from lcd_plugin.errors import LcdBenchError
    from lcd_plugin.plugins import ENCODERS, METHODS, add_files
    try:
        add_files(sys.argv[1:])
    except LcdBenchError as error:
        print(json.dumps({"error": type(error).__name__, "says": str(error)}))
    else:
        found = [(r, n) for r in (METHODS, ENCODERS) for n in r.names() if not r.origin(n).own]
        print(json.dumps({
            "origins": {n: asdict(r.origin(n)) for r, n in found},
            "imported": "mine" in sys.modules,
            "homes": [r.load(n).home for r, n in found],
        }))
"""


def _look(*files: str | Path, cwd: Path | None = None, **environment: str) -> dict:
    command = [sys.executable, "-c", dedent(LOOK), *map(str, files)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    document: dict = json.loads(done.stdout)
    return document


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "mine.py"
    path.parent.mkdir()
    path.write_text(dedent(LIGHT))
    return path


def test_all_specs_of_a_file_are_added_and_nothing_of_it_is_imported(mine: Path) -> None:
    found = _look(mine)
    assert found["origins"].keys() == {"first", "second"}
    origin = found["origins"]["first"]
    assert (origin["distribution"], origin["version"], origin["own"]) == ("mine.py", "3", False)
    assert found["origins"]["second"]["version"] == "1"
    assert len(origin["code"]) == 16
    assert not found["imported"]
    assert found["homes"] == ["mine", "mine"]


def test_one_spec_can_be_named_and_a_file_named_twice_is_one(mine: Path) -> None:
    assert _look(f"{mine}:SECOND")["origins"].keys() == {"second"}
    assert _look(mine, f"{mine}:FIRST", "mine.py", cwd=mine.parent)["origins"].keys() == {
        "first",
        "second",
    }


def test_its_code_changes_with_the_file_and_not_with_the_folder(mine: Path) -> None:
    first = _look(mine)["origins"]["first"]["code"]
    (mine.parent / "neighbour.py").write_text("x = 1")
    moved = mine.parent.rename(mine.parent.with_name("elsewhere")) / "mine.py"
    assert _look(moved)["origins"]["first"]["code"] == first
    moved.write_text(moved.read_text() + "\n# changed\n")
    assert _look(moved)["origins"]["first"]["code"] != first


def test_its_code_changes_with_what_it_imports_from_its_folder_and_with_nothing_else(
    mine: Path,
) -> None:
    package = mine.parent / "package" / "inner"
    package.mkdir(parents=True)
    files = {
        mine: "import json\ndef later():\n    from helper import x\n" + mine.read_text(),
        mine.parent / "helper.py": "import package.inner.net, random, mine\n",
        package.parent / "__init__.py": "",
        package / "net.py": "import lonely\ndef broken(:\n",
        mine.parent / "heavy.py": "from last import Mine\n",
        mine.parent / "last.py": "class Mine:\n    home = 'last'\n",
        # These are not: nobody imports them, or under their name another is.
        mine.parent / "neighbour.py": "",
        mine.parent / "lonely.py": "",
        mine.parent / "random.py": "",
        mine.parent / "lcd_plugin.py": "",
    }
    files[mine] = files[mine].replace("mine:Mine", "heavy:Mine")
    for path, text in files.items():
        path.write_text(text)

    def code() -> str:
        found = _look(mine)
        assert found["homes"] == ["last", "last"]
        return str(found["origins"]["first"]["code"])

    codes = [code()]
    for path in files:
        path.write_text(path.read_text() + "\n# changed\n")
        codes.append(code())
    changed = [now != before for before, now in pairwise(codes)]
    assert changed == [True] * 6 + [False] * 4


def test_a_file_that_was_named_is_not_switched_off(mine: Path) -> None:
    assert "first" in _look(mine, LCD_BENCH_PLUGINS="0")["origins"]


def test_neighbours_of_a_file_hide_no_module(mine: Path) -> None:
    (mine.parent / "random.py").write_text("raise SystemError('the wrong one')")
    (mine.parent / "torch.py").write_text("raise SystemError('the wrong one')")
    mine.write_text("import random\nrandom.random()\n" + mine.read_text())
    assert "first" in _look(mine)["origins"]


@pytest.mark.parametrize(
    ("name", "content", "spec", "error", "says"),
    [
        ("no.py", None, "", "ConfigError", "there is no file"),
        ("mine.txt", "", "", "ConfigError", "takes FILE.py or FILE.py:SPEC"),
        ("my-method.py", LIGHT, "", "ConfigError", "'my-method' is no name for one"),
        ("random.py", LIGHT, "", "ConfigError", "has the name of another module, 'random'"),
        ("torch.py", LIGHT, "", "ConfigError", "has the name of another module, 'torch'"),
        ("lcd_plugin.py", LIGHT, "", "ConfigError", "has the name of another module"),
        ("sys.py", LIGHT, "", "ConfigError", "has the name of another module"),
        ("mine.py", "x = 1", "", "PluginError", "mine.py has no spec at its top level"),
        ("mine.py", LIGHT, ":Mine", "PluginError", "mine.py has no spec Mine"),
        ("mine.py", LIGHT, ":THIRD", "PluginLoadError", "has no attribute 'THIRD'"),
        ("mine.py", "1 / 0", "", "PluginLoadError", "mine.py cannot be loaded: ZeroDivision"),
        ("mine.py", "import os; os._exit(5)", "", "PluginLoadError", "with code 5"),
        ("mine.py", "def broken(:", "", "PluginLoadError", "SyntaxError"),
        (
            "mine.py", LIGHT.replace('"first"', '"lcd"'), "", "PluginError",
            "The method 'lcd' of mine.py 3 cannot be added, since lcd-plugin has one",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_sentence(
    tmp_path: Path, name: str, content: str | None, spec: str, error: str, says: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(dedent(content))
    found = _look(f"{path}{spec}")
    assert found["error"] == error
    assert says in found["says"]
    assert "\n" not in found["says"]


def test_two_files_with_one_name(mine: Path) -> None:
    other = mine.with_name("other.py")
    other.write_text(mine.read_text().replace("mine:", "other:"))
    found = _look(mine, other)
    assert "of other.py 3 cannot be added, since mine.py has one of that name" in found["says"]


def test_two_files_of_one_name_in_two_folders(mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "mine.py"
    other.write_text(mine.read_text())
    found = _look(mine, other)
    assert "mine.py has the name of another module, 'mine'" in found["says"]


def test_processes_that_are_spawned_know_it_too(mine: Path, tmp_path: Path) -> None:
    script = """
        import multiprocessing, sys
        from lcd_plugin.plugins import ENCODERS, METHODS, add_files

        def tell(loaded):
            assert METHODS.load("first") is loaded
            print("first" in METHODS.names(), ENCODERS.load("second").home)

        if __name__ == "__main__":
            add_files(sys.argv[1:])
            spawn = multiprocessing.get_context("spawn")
            child = spawn.Process(target=tell, args=(METHODS.load("first"),))
            child.start()
            child.join()
    """
    (tmp_path / "script.py").write_text(dedent(script))
    command = [sys.executable, str(tmp_path / "script.py"), str(mine)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.stdout == "True mine\n", done.stderr


METHOD = """
    from lcd_plugin.methods.base import Method, StepOutput
    from lcd_plugin.plugins import MethodSpec

    SPEC = MethodSpec(name="in_a_file", implementation="mine:Mine", summary="a test")

    class Mine(Method):
        views = "aa"

        def training_step(self, views):
            loss = sum(self.encoder(view).square().mean() for view in views)
            return StepOutput(loss=loss, terms={})
"""


def test_a_run_with_a_file_says_in_its_results_what_it_ran(mine: Path, tmp_path: Path) -> None:
    mine.write_text(dedent(METHOD))
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "lcd_plugin.cli", "run", "quick", "--plugin", str(mine),
        "-m", "in_a_file", "--limit", "120", "--epochs", "1", "--batch-size", "32",
        "--label-fractions", "1", "--set", "data.seconds=2.5", "--json", "-o", str(out),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {r["method"] for r in json.loads(done.stdout)["leaderboard"]["rows"]} == {"in_a_file"}
    expected = {"name": "in_a_file", "distribution": "mine.py", "version": "1"}
    for path in out.glob("*/*/result.json"):
        plugin = json.loads(path.read_text())["provenance"]["plugins"]["method"]
        assert expected.items() <= plugin.items()
        assert len(plugin["code"]) == 16
