"""Ways to be broken, each in a distribution that an installer installed, met by real processes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from textwrap import dedent

import pytest

SPEC = """
    from lcd_plugin.plugins import MethodSpec
    SPEC = MethodSpec(name="{name}", implementation="{module}.method:Mine", summary="a test")
"""
# A method that would work, but for what stands in its place of `CHANGE`.
METHOD = """
    import torch
    from lcd_plugin.methods.base import Method, StepOutput

    class Mine(Method):
        views = "aa"

        def __init__(self, encoder, config=None):
            super().__init__(encoder, config)
            CHANGE

        def training_step(self, views):
            loss = sum(self.encoder(view).square().mean() for view in views)
            return StepOutput(loss=loss, terms={{}})
"""
LOSS = "loss = sum(self.encoder(view).square().mean() for view in views)\n"

# By name: the specs module, the method's module, and what the reason must say.
BROKEN = {
    "raises_on_import": ("1 / 0", "", "ZeroDivisionError: division by zero"),
    "has_a_syntax_error": ("def broken(:", "", "SyntaxError: invalid syntax"),
    "lacks_a_dependency": (SPEC, "import no_such_package", "No module named 'no_such_package'"),
    "has_no_spec": ("SPEC = {{'name': '{name}'}}", "", "is not a MethodSpec but dict"),
    "has_another_name": (SPEC.replace("{name}", "other"), "", "calls itself 'other'"),
    "has_a_wrong_version": (
        SPEC.replace("summary=", "version='two', summary="), "", "version must be of type int",
    ),
    "has_no_class": (SPEC, "Other = 1", "has no attribute 'Mine'"),
    "is_no_method": (SPEC, "class Mine: pass", "is no lcd_plugin.methods.base.Method"),
    "calls_exit": (SPEC, "import sys; sys.exit(4)", "SystemExit: 4"),
    "ends_the_process": (SPEC, "import os; os._exit(0)", "it ended the process with code 0"),
    "kills_the_process": (
        SPEC, "import os; os.kill(os.getpid(), 11)", "it ended the process with signal 11",
    ),
    "raises_in_init": (
        SPEC, METHOD.replace("CHANGE", "raise ValueError('no head')"), "ValueError: no head",
    ),
    "raises_in_training": (
        SPEC,
        METHOD.replace("CHANGE", "self.left = 1").replace(
            LOSS,
            "self.left -= 1\n            if self.left < 0: raise RuntimeError('no luck')\n"
            "            " + LOSS,
        ),
        "RuntimeError: no luck",
    ),
    "gives_nan": (SPEC, METHOD.replace("loss=loss", "loss=loss * float('nan')"), "the loss is nan"),
    "gives_a_wrong_type": (
        SPEC, METHOD.replace("return StepOutput(loss=loss, terms={{}})", "return 'low'"), "str",
    ),
}  # fmt: skip
WORKING = {
    "prints_on_import": (
        dedent(SPEC) + "import os; print('garbage'); os.system('echo garbage 1>&2')",
        dedent(METHOD) + "print('garbage')",
    ),
    "simclr": (SPEC, "1 / 0"),  # the built-in one has that name
}
HANGS = {"hangs": (SPEC, "import time; time.sleep(600)")}
TWICE = "offered_twice"


def _wheel(folder: Path, distribution: str, points: str, files: dict[str, str]) -> Path:
    """A wheel, as a build tool would write it."""
    module = distribution.replace("-", "_")
    info = f"{module}-1.5.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": points,
    }
    record = f"{info}/RECORD"
    lines = [f"{name},{_digest(text)},{len(text.encode())}" for name, text in files.items()]
    path = folder / f"{module}-1.5-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in (files | {record: "\n".join([*lines, f"{record},,"]) + "\n"}).items():
            wheel.writestr(name, text)
    return path


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _method_wheel(folder: Path, distribution: str, name: str, specs: str, method: str) -> Path:
    module = distribution.replace("-", "_")
    # Every module says that it was imported, and by which process.
    told = "import os\nopen(os.environ['IMPORTED'], 'a').write(f'{__name__} {os.getpid()}\\n')\n"
    codes = {
        "__init__": "",
        "specs": told + dedent(specs).format(name=name, module=module),
        "method": told + dedent(method.replace("CHANGE", "pass")).format(),
    }
    files = {f"{module}/{stem}.py": code for stem, code in codes.items()}
    return _wheel(
        folder, distribution, f"[lcd_plugin.methods]\n{name} = {module}.specs:SPEC\n", files
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of them installed."""
    built, site = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    all_of_them = {name: parts[:2] for name, parts in BROKEN.items()} | WORKING | HANGS
    wheels = [
        _method_wheel(built, f"ecg-{name.replace('_', '-')}", name, *parts)
        for name, parts in all_of_them.items()
    ]
    wheels += [_method_wheel(built, f"{who}-extras", TWICE, SPEC, METHOD) for who in ("one", "two")]
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-compile",
               "--disable-pip-version-check", "--target", str(site), *map(str, wheels)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return site


class Bench:
    """Runs `lcd-bench` in processes that see the plugins, and knows who imported what."""

    def __init__(self, site: Path, folder: Path) -> None:
        self.imported = folder / "imported"
        self.imported.write_text("")
        self.environment = os.environ | {"PYTHONPATH": str(site), "IMPORTED": str(self.imported)}
        self.pid = 0

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lcd_plugin.cli", *arguments]
        process = subprocess.Popen(
            command, env=self.environment | environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.pid = process.pid
        out, errors = process.communicate(timeout=240)
        return subprocess.CompletedProcess(command, process.returncode, out, errors)

    def imported_here(self) -> set[str]:
        """Modules of plugins that the last process imported itself."""
        lines = (line.split() for line in self.imported.read_text().splitlines())
        return {module for module, pid in lines if int(pid) == self.pid}


@pytest.fixture(scope="session")
def bench(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(site, tmp_path_factory.mktemp("bench"))


RUN = [
    "run", "quick", "--limit", "120", "--epochs", "1", "--batch-size", "32",
    "--label-fractions", "1", "--set", "data.seconds=2.5", "--json",
]  # fmt: skip


@pytest.fixture(scope="session")
def everything(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], dict]:
    """One run of all that are broken beside three that are not; its JSON document."""
    methods = [*BROKEN, TWICE, "prints_on_import", "simclr", "random"]
    flags = [part for name in methods for part in ("-m", name)]
    done = bench(*RUN, *flags, "-o", str(tmp_path_factory.mktemp("run") / "out"))
    assert done.returncode == 3, done.stderr
    return done, json.loads(done.stdout)


def test_there_are_more_than_ten_ways(site: Path) -> None:
    assert len(BROKEN) + len(HANGS) + 1 > 10
    assert len(list(site.glob("*.dist-info"))) == len({**BROKEN, **HANGS, **WORKING}) + 2


def test_list_shows_the_reasons_and_imports_nothing(bench: Bench) -> None:
    done = bench("list", "methods")
    assert done.returncode == 0, done.stderr
    assert bench.imported_here() == set()
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "garbage" not in done.stdout
    for name, (_, method, reason) in BROKEN.items():
        # What is wrong behind a spec, listing does not look for.
        assert (reason if method == "" else "a test") in lines[name]
        assert ("cannot be loaded" in lines[name]) <= (method == "")
    assert "one-extras and two-extras" in lines[TWICE]
    assert "[lcd-plugin " in lines["simclr"]
    assert "[ecg-hangs 1.5]" in lines["hangs"]


def test_names_are_found_without_a_single_import(bench: Bench, site: Path) -> None:
    before = bench.imported.read_text()
    code = "from lcd_plugin.plugins import METHODS; print(*METHODS.names())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=bench.environment, capture_output=True, text=True
    )
    assert {*BROKEN, *WORKING, *HANGS, TWICE, "lcd"} <= set(done.stdout.split())
    assert bench.imported.read_text() == before


@pytest.mark.parametrize("name", [*BROKEN, TWICE])
def test_a_broken_one_costs_only_itself_and_says_why(
    everything: tuple[subprocess.CompletedProcess[str], dict], name: str
) -> None:
    failures = {f["title"]: f["reason"] for f in everything[1]["failures"]}
    titles = [title for title in failures if f" {name}" in title]
    assert len(titles) == 1
    reason = failures[titles[0]]
    wanted = BROKEN[name][2] if name in BROKEN else "one-extras and two-extras"
    assert wanted in reason
    assert "\n" not in reason


def test_the_others_are_complete(
    everything: tuple[subprocess.CompletedProcess[str], dict],
) -> None:
    done, document = everything
    board = document["leaderboard"]
    assert {r["method"] for r in board["rows"]} == {"prints_on_import", "simclr", "random"}
    assert len(document["failures"]) == len(BROKEN) + 1
    assert "Traceback" not in done.stderr
    results = [json.loads(p.read_text()) for p in Path(document["out"]).glob("*/*/result.json")]
    origins = {
        r["identity"]["method"]: r["provenance"]["plugins"]["method"]
        for r in results
        if r["status"] == "complete"
    }
    assert origins["simclr"]["distribution"] == "lcd-plugin"
    own = origins["prints_on_import"]
    assert (own["distribution"], own["version"]) == ("ecg-prints-on-import", "1.5")
    assert len(own["code"]) == 16


def test_one_that_hangs_costs_its_time_limit(bench: Bench, tmp_path: Path) -> None:
    done = bench(
        *RUN, "-m", "hangs", "-m", "random", "-o", str(tmp_path), LCD_BENCH_PLUGIN_TIMEOUT="3"
    )
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert {row["method"] for row in document["leaderboard"]["rows"]} == {"random"}
    assert [f["title"] for f in document["failures"]] == ["method hangs"]
    assert (
        "'hangs' of ecg-hangs 1.5 cannot be loaded from ecg_hangs.method:Mine: "
        "it took longer than 3 s" in document["failures"][0]["reason"]
    )
    assert "ecg_hangs.method" not in bench.imported_here()
