"""Sizes and kinds of files are looked at before anything of them is read."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from lcd_plugin import load_encoder
from lcd_plugin.bench.results import CellResult, EvaluateResult, SnapshotEntry, read_result
from lcd_plugin.bench.saved_plan import read_plan
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.data.cohorts.numpy_folder import _open
from lcd_plugin.data.store import Store
from lcd_plugin.data.wfdb_reader import read_wfdb
from lcd_plugin.errors import LcdBenchError
from lcd_plugin.explain.model_file import load_model
from lcd_plugin.files import read_limited
from lcd_plugin.pretrain.checkpoint import load_checkpoint
from lcd_plugin.report.model import Leaderboard
from lcd_plugin.report.read_cells import UnreadableError, read_cell

HUGE = 10 * 2**30


def nothing(found: object) -> None:
    """What readers that have a None for what cannot be relied on must come to."""
    assert found is None


# Reader of a folder -> name of the file that is put in there.
READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "result of a run that goes on": (
        "result.json", lambda f: nothing(read_result(f, EvaluateResult))
    ),
    "result of a report": ("result.json", lambda f: read_cell(f, EvaluateResult)),
    "plan": ("plan.json", lambda f: nothing(read_plan(f))),
    "suite": ("mine.toml", lambda f: load_suite(str(f / "mine.toml"))),
    "store": ("manifest.json", Store.open),
    "leaderboard": ("leaderboard.json", lambda f: Leaderboard.read(f / "leaderboard.json")),
    "encoder": ("e.safetensors", lambda f: load_encoder(f / "e.safetensors")),
    "model": ("m.safetensors", lambda f: load_model(f / "m.safetensors")),
    "checkpoint": ("c.safetensors", lambda f: nothing(load_checkpoint(f / "c.safetensors", 0))),
    "header": ("r.hea", lambda f: read_wfdb(f / "r")),
    "array": ("r.npy", lambda f: _open(f / "r.npy")),
    "archive": ("r.npz", lambda f: _open(f / "r.npz")),
}  # fmt: skip


def a_sparse_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE)


KINDS: dict[str, Callable[[Path], None]] = {
    "huge": a_sparse_file,
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "link to itself": lambda path: path.symlink_to(path),
    "empty": Path.touch,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_of_a_sane_size_is_refused_unread(tmp_path: Path, reader: str, kind: str):
    name, read = READERS[reader]
    KINDS[kind](tmp_path / name)
    tracemalloc.start()
    try:
        # Readers that have a None for it give that.
        try:
            read(tmp_path)
        except (LcdBenchError, UnreadableError) as error:
            assert "\n" not in str(error)  # noqa: PT017 others end well
        else:
            assert name in ("result.json", "plan.json", "c.safetensors")
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


def test_a_file_is_read_to_the_size_that_was_looked_at(tmp_path: Path):
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(OSError, match="it has 5 bytes, and at most 4 are read"):
        read_limited(path, 4)


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "/etc/x", "..", ".hidden", "", "a\\b", "a\x00", "x" * 200, "a\n"]
)
def test_names_in_results_are_plain(name: str):
    whole = {"key": "0" * 16, "identity": {}}
    CellResult.model_validate(whole | {"files": {"snapshot-1e-05.safetensors": "0"}})
    with pytest.raises(ValidationError, match="files"):
        CellResult.model_validate(whole | {"files": {name: "0"}})
    with pytest.raises(ValidationError, match="key"):
        CellResult.model_validate(whole | {"key": name})
    entry = {"share": 0.5, "epoch": 1, "updates": 1, "records": 1, "seconds": 1.0}
    with pytest.raises(ValidationError, match="file"):
        SnapshotEntry.model_validate(entry | {"file": name})


@pytest.mark.parametrize("key", ["../x", "a" * 15, "A" * 16, "", "0" * 16 + "\n", "0" * 15 + "/"])
@pytest.mark.parametrize("which", ["key", "pretrain_key"])
def test_keys_in_plans_are_plain(run_folder: Path, which: str, key: str):
    path = run_folder / "plan.json"
    plan = json.loads(path.read_text())
    assert read_plan(run_folder) is not None
    plan["evaluate"][0][which] = key
    path.write_text(json.dumps(plan))
    assert read_plan(run_folder) is None
