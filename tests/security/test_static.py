"""What the package never does, read off its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lcd_plugin

PACKAGE = Path(lcd_plugin.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml",
    "tarfile", "pty", "commands",
}  # fmt: skip
# Calls by the end of their name; `eval` and `exec` only as builtins, as modules have an eval().
CALLS = {
    "torch.load", "np.load", "numpy.load", "os.system", "os.popen", "os.spawnl", "os.spawnv",
    "shutil.unpack_archive", "tempfile.mktemp", "pd.read_pickle", "pandas.read_pickle",
    "importlib.reload",
}  # fmt: skip
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {"extractall", "extract", "to_pickle", "read_pickle"}

# What is used all the same, and why that is safe.
REASONED = {
    # Between processes of one program, over a pipe that nobody else has: outcome and exceptions.
    ("pretrain/launch.py", "import pickle"),
    # The check of a plugin asks whether its own class can be sent to a process, and back.
    ("testing/check.py", "import pickle"),
    # With allow_pickle=False, of an archive whose size was looked at.
    ("data/cohorts/numpy_folder.py", "np.load"),
}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def findings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            tops = {alias.name.partition(".")[0] for alias in node.names}
            yield from (f"import {name}" for name in tops & MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            top = (node.module or "").partition(".")[0]
            if top in MODULES:
                yield f"import {top}"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from sorted(names & CALLS)
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            last = name.rpartition(".")[2]
            if name in CALLS or name in BUILTINS or ("." in name and last in METHODS):
                yield name
            for keyword in node.keywords:
                shown = ast.unparse(keyword.value)
                if keyword.arg in ("shell", "allow_pickle") and shown != "False":
                    yield f"{keyword.arg}={shown}"
                if keyword.arg == "weights_only":
                    yield f"weights_only={shown}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["import pickle"]),
        ("from joblib import load", ["import joblib"]),
        ("torch.load(path)", ["torch.load"]),
        ("from torch import load", ["torch.load"]),
        ("np.load(path, allow_pickle=True)", ["np.load", "allow_pickle=True"]),
        ("subprocess.run(line, shell=True)", ["shell=True"]),
        ("subprocess.run(line, shell=given)", ["shell=given"]),
        ("eval(text)", ["eval"]),
        ("archive.extractall(folder)", ["archive.extractall"]),
        ("model.eval()", []),
        ("re.compile(text)", []),
    ],
)
def test_the_rules_see_what_they_forbid(source: str, found: list[str]):
    assert list(findings(ast.parse(source))) == found


def test_nothing_is_unpickled_evaluated_or_given_to_a_shell():
    found = {
        (path.relative_to(PACKAGE).as_posix(), what)
        for path in SOURCES
        for what in findings(ast.parse(path.read_bytes()))
    }
    assert len(SOURCES) > 200
    assert found == REASONED


def test_processes_are_started_with_a_list_of_arguments():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and dotted(node.func).startswith("subprocess."):
                first = node.args[0]
                assert isinstance(first, ast.List | ast.Name), f"{path}: {ast.unparse(node)}"
                assert not isinstance(first, ast.JoinedStr | ast.Constant)
