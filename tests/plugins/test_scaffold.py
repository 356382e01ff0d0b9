"""What `lcd-bench new-method` and `new-dataset` write works at once, in a fresh environment."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from lcd_plugin.plugins.scaffold import names_of, write_package
from lcd_plugin.plugins.scaffold.new_package import Kind

SMALL = [
    "--limit", "120", "--epochs", "1", "--batch-size", "32", "--label-fractions", "1", "--json",
]  # fmt: skip
KINDS: tuple[Kind, ...] = ("method", "dataset")


class Environment:
    """A virtual environment of its own, which sees what is installed in the running one."""

    def __init__(self, folder: Path) -> None:
        # pip is among what is seen: a copy of its own would cost seconds.
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        running = sysconfig.get_path("purelib")
        # Unlike a bare path, this also reads the .pth files there, so an editable install is seen.
        line = f"import site; site.addsitedir({running!r})\n"
        (Path(self._purelib()) / "running.pth").write_text(line)

    def run(self, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run its Python in a folder."""
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        return subprocess.run(
            [self.python, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def _purelib(self) -> str:
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        return self.run("-c", code, folder=self.python.parent).stdout.strip()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new method and a new dataset, as they are written."""
    folder = tmp_path_factory.mktemp("work")
    write_package("method", names_of("two-leads"), folder / "two-leads")
    write_package("dataset", names_of("my-ecgs"), folder / "my-ecgs")
    return folder


@pytest.fixture(scope="module")
def fresh(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A fresh environment in which both are installed."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("there is no pip in the running environment")
    environment = Environment(tmp_path_factory.mktemp("environment"))
    done = environment.run("-m", "pip", "install", "./two-leads", "./my-ecgs", folder=work)
    if "No matching distribution found for hatchling" in done.stderr:
        pytest.skip("no package index can be reached, and the build needs hatchling from it")
    assert done.returncode == 0, done.stderr
    return environment


def _lcd_bench(environment: Environment, *arguments: str, folder: Path) -> dict:
    done = environment.run("-m", "lcd_plugin.cli", *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("kind", "name"), [("methods", "two_leads"), ("datasets", "my_ecgs")])
def test_it_is_listed_with_its_distribution(
    fresh: Environment, tmp_path: Path, kind: str, name: str
) -> None:
    listed = _lcd_bench(fresh, "list", kind, "--json", folder=tmp_path)[kind]
    (own,) = [row for row in listed if row["name"] == name]
    assert own["distribution"] == f"{name.replace('_', '-')} 0.1.0"
    assert own["summary"]
    assert "error" not in own


def test_the_method_runs_at_once(fresh: Environment, tmp_path: Path) -> None:
    document = _lcd_bench(
        fresh, "run", "quick", "-m", "two_leads", "-m", "random", *SMALL, folder=tmp_path
    )
    assert {row["method"] for row in document["leaderboard"]["rows"]} == {"two_leads", "random"}
    assert document["failures"] == []


def test_the_dataset_runs_at_once(fresh: Environment, work: Path, tmp_path: Path) -> None:
    script = work / "my-ecgs" / "tests" / "example_records.py"
    done = fresh.run(script, "example", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    where = ["-d", "my_ecgs=example"]
    document = _lcd_bench(fresh, "run", "quick", "-m", "random", *where, *SMALL, folder=tmp_path)
    rows = document["leaderboard"]["rows"]
    assert {(row["dataset"], row["method"]) for row in rows} == {("my_ecgs", "random")}


@pytest.mark.parametrize("name", ["two-leads", "my-ecgs"])
def test_its_own_tests_pass(fresh: Environment, work: Path, name: str) -> None:
    done = fresh.run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=work / name)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(done.stdout.split(" passed")[0].split()[-1])
    assert passed > 5, "the conformance kit has one item a check"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["ab", "two-leads", "A_rather_long-Name-with-7-Words"])
def test_it_is_formatted_and_has_no_lint(tmp_path: Path, kind: Kind, name: str) -> None:
    pytest.importorskip("ruff")
    write_package(kind, names_of(name), tmp_path / "new")
    everything = "E4,E7,E9,F,I,UP,B,SIM,RUF,PT,N"
    for command in (["check", "--select", everything], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", "."],
            cwd=tmp_path / "new",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_to_edit_is_short_and_specs_import_nothing_heavy(
    tmp_path: Path, kind: Kind
) -> None:
    write_package(kind, names_of("my-own"), tmp_path / "new")
    assert len((tmp_path / "new" / "my_own" / f"{kind}.py").read_text().splitlines()) <= 60
    code = (
        "import sys, my_own.specs as specs\n"
        "assert not {'torch', 'pandas', 'numpy', 'lightly'} & set(sys.modules)\n"
        "assert specs.SPEC.name == 'my_own'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path / "new")


@pytest.mark.parametrize(
    ("typed", "distribution", "package", "class_name"),
    [
        ("my-method", "my-method", "my_method", "MyMethod"),
        ("my_method", "my-method", "my_method", "MyMethod"),
        ("MySSL", "myssl", "myssl", "MySSL"),
        ("ecg-mae_2d", "ecg-mae-2d", "ecg_mae_2d", "EcgMae2d"),
    ],
)
def test_names_follow_from_the_one_that_is_typed(
    tmp_path: Path, typed: str, distribution: str, package: str, class_name: str
) -> None:
    names = names_of(typed)
    assert (names.distribution, names.package, names.class_name) == (
        distribution,
        package,
        class_name,
    )
    write_package("method", names, tmp_path / "new")
    project = tomllib.loads((tmp_path / "new" / "pyproject.toml").read_text())["project"]
    assert project["name"] == distribution
    points = {"lcd_plugin.methods": {package: f"{package}.specs:SPEC"}}
    assert project["entry-points"] == points


def test_nothing_is_left_of_a_package_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def full(path: Path, text: str, encoding: str) -> None:
        if len(written) == 3:
            raise OSError(28, "No space left on device", str(path))
        written.append(path)
        path.write_bytes(text.encode(encoding))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_package("method", names_of("my-method"), tmp_path / "my-method")
    assert len(written) == 3
    assert list(tmp_path.iterdir()) == []
