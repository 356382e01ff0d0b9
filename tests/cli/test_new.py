"""`lcd-bench new-method` and `new-dataset`: what they write, say and refuse."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

LcdBench = Callable[..., Result]

REFUSED = [
    ("1st", "cannot be a name"),
    ("my method", "cannot be a name"),
    ("my__method", "cannot be a name"),
    ("my-method-", "cannot be a name"),
    ("../my-method", "cannot be a name"),
    ("méthode", "cannot be a name"),
    ("class", "word of the Python language"),
    ("torch", "Python module 'torch'"),
    ("random", "method 'random'"),
    ("SimCLR", "method 'simclr'"),
    ("synthetic", "dataset 'synthetic'"),
    ("cpsc2018_extra", "dataset 'cpsc2018-extra'"),
    ("vgg16-1d", "encoder 'vgg16_1d'"),
    ("scikit-learn", "'scikit-learn' is installed"),
    ("views", "a meaning of its own"),
    ("tests", "a meaning of its own"),
]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_method_is_written_and_the_next_commands_are_shown(
    lcd_bench: LcdBench, empty_folder: Path
) -> None:
    done = lcd_bench("new-method", "my-method")
    assert done.exit_code == 0, done.stderr
    assert _files(empty_folder) == {
        "my-method/pyproject.toml",
        "my-method/README.md",
        "my-method/my_method/__init__.py",
        "my-method/my_method/specs.py",
        "my-method/my_method/method.py",
        "my-method/tests/test_conforms.py",
    }
    assert [line.strip() for line in done.stdout.splitlines()[1:]] == [
        'pip install -e "./my-method[test]"',
        "lcd-bench run quick -m my_method -m random",
        "python -m pytest my-method",
    ]
    readme = Path("my-method/README.md").read_text()
    assert 'pip install -e "./my-method[test]"' in readme
    assert "python -m pytest my-method" in readme


def test_a_dataset_is_written_where_the_user_says(lcd_bench: LcdBench, empty_folder: Path) -> None:
    done = lcd_bench("new-dataset", "My_ECGs", "-o", "some where/else")
    assert done.exit_code == 0, done.stderr
    assert _files(empty_folder / "some where" / "else") == {
        "pyproject.toml",
        "README.md",
        "my_ecgs/__init__.py",
        "my_ecgs/specs.py",
        "my_ecgs/dataset.py",
        "tests/example_records.py",
        "tests/test_conforms.py",
    }
    assert "class MyECGs(Cohort):" in Path("some where/else/my_ecgs/dataset.py").read_text()
    assert [line.strip() for line in done.stdout.splitlines()[1:]] == [
        'pip install -e "./some where/else[test]"',
        "python 'some where/else/tests/example_records.py' example",
        "lcd-bench run quick -d my_ecgs=example -m lcd -m random",
        "python -m pytest 'some where/else'",
    ]
    assert 'pip install -e "./else[test]"' in Path("some where/else/README.md").read_text()


@pytest.mark.parametrize(
    ("command", "example"), [("new-method", "my-method"), ("new-dataset", "my-ecgs")]
)
def test_the_help_names_an_example_of_its_kind(
    lcd_bench: LcdBench, command: str, example: str
) -> None:
    assert f"Such as {example}:" in lcd_bench(command, "--help").stdout


@pytest.mark.parametrize(("name", "reason"), REFUSED)
@pytest.mark.parametrize("command", ["new-method", "new-dataset"])
def test_a_name_that_cannot_be_is_refused_in_a_sentence(
    lcd_bench: LcdBench, empty_folder: Path, command: str, name: str, reason: str
) -> None:
    done = lcd_bench(command, name, "-o", "out/package")
    assert done.exit_code == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.rstrip().endswith(".")
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "name"), [("new-method", "method"), ("new-dataset", "recording")]
)
def test_a_class_that_would_hide_another_is_refused(
    lcd_bench: LcdBench, empty_folder: Path, command: str, name: str
) -> None:
    done = lcd_bench(command, name)
    assert done.exit_code == 2
    assert f"a class {name.title()}" in done.stderr
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_is_left_alone(lcd_bench: LcdBench, empty_folder: Path, kind: str) -> None:
    mine = empty_folder / "my-method" / "notes.txt" if kind == "folder" else Path("my-method")
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    done = lcd_bench("new-method", "my-method")
    assert done.exit_code == 2
    assert "-o FOLDER" in done.stderr
    assert mine.read_text() == "mine"
    assert len(_files(empty_folder)) == 1


def test_an_empty_folder_of_that_name_is_filled(lcd_bench: LcdBench, empty_folder: Path) -> None:
    (empty_folder / "my_method").mkdir()
    done = lcd_bench("new-method", "my_method")
    assert done.exit_code == 0, done.stderr
    assert "my_method/my_method/method.py" in _files(empty_folder)


def test_writing_loads_no_torch(empty_folder: Path) -> None:
    code = (
        "import sys; from lcd_plugin.cli.main import app\n"
        "app(['new-method', 'my-method'], standalone_mode=False)\n"
        "assert not {'torch', 'lightly', 'timm', 'my_method'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=empty_folder)
