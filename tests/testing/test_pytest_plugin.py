"""The plugin for pytest, in the pytest of somebody else's package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ONE_TEST = """
    import pytest

    @pytest.mark.lcd_plugin({given})
    def test_mine(conformance_check):
        conformance_check()
"""


def _pytest(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_mine.py").write_text(dedent(code))
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--strict-markers"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_test_becomes_one_item_a_check(tmp_path: Path) -> None:
    done = _pytest(tmp_path, ONE_TEST.format(given="'synthetic', settings={'records': 60}"), "-rA")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 passed" in done.stdout
    assert "PASSED test_mine.py::test_mine[patients_apart]" in done.stdout


def test_a_failure_is_the_message_of_the_check(tmp_path: Path) -> None:
    own = """
        from lcd_plugin.data.cohort import Cohort

        class Mine(Cohort):
            def files(self, record): ...
            def index(self): return 1 // 0
            def read(self, record): ...
    """
    code = dedent(own) + dedent(ONE_TEST.format(given="Mine, kind='dataset'"))
    done = _pytest(tmp_path, code, "-k", "settings or table")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "dataset 'Mine', check table: expected no exception, got ZeroDiv" in done.stdout


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (ONE_TEST.format(given="'vgg16_2d'"), "Unknown plugin 'vgg16_2d'; did you mean 'vgg16_1d'"),
        (ONE_TEST.format(given="'vgg16_1d', kind='model'"), "Unknown kind of plugin 'model'"),
        (ONE_TEST.format(given="'vgg16_1d', widht=1"), "unexpected keyword argument 'widht'"),
        (ONE_TEST.format(given=""), "missing 1 required positional argument: 'name'"),
        (
            "def test_mine(conformance_check): conformance_check()",
            "conformance_check needs @pytest.mark.lcd_plugin('NAME')",
        ),
    ],
)
def test_a_marker_that_says_nothing_useful_is_explained(
    tmp_path: Path, code: str, word: str
) -> None:
    done = _pytest(tmp_path, code)
    assert done.returncode != 0
    assert word in done.stdout
    assert "Traceback" not in done.stdout


def test_everybody_elses_tests_load_nothing_for_it(tmp_path: Path) -> None:
    code = """
        import sys

        def test_what_is_loaded(request):
            assert request.config.pluginmanager.has_plugin("lcd_plugin")
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert not loaded & {"torch", "numpy", "pandas", "pydantic"}
            assert [name for name in sys.modules if name.startswith("lcd_plugin.")] == [
                "lcd_plugin.testing", "lcd_plugin.testing.pytest_plugin"
            ]
    """
    done = _pytest(tmp_path, code, "-p", "no:benchmark", "-p", "no:hypothesispytest")
    assert done.returncode == 0, done.stdout


def test_the_marker_is_known(tmp_path: Path) -> None:
    done = _pytest(tmp_path, "", "--markers")
    assert "@pytest.mark.lcd_plugin(name, kind=None, settings=None" in done.stdout
