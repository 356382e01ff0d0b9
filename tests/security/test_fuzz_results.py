"""Folders of results that anybody may have written: a report, or one sentence, and never a bug."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import HOSTILE, changed, damaged, fuzz, json_texts, places
from pydantic_core import from_json
from typer.testing import CliRunner

from lcd_plugin.bench.results import (
    CellResult,
    EvaluateResult,
    PretrainResult,
    pack_arrays,
    read_result,
    seal_of,
)
from lcd_plugin.bench.saved_plan import read_plan
from lcd_plugin.cli.main import app
from lcd_plugin.errors import DataError
from lcd_plugin.report.exports import to_json
from lcd_plugin.report.leaderboard import build_leaderboard
from lcd_plugin.report.model import Leaderboard
from lcd_plugin.report.read_cells import UnreadableError, read_cell, read_predictions

COMPLETE, FAILED, UNAVAILABLE = 0, 3, 5


def report(out: Path, *options: str) -> int:
    """Exit code of `lcd-bench report`, which is no bug's."""
    done = CliRunner().invoke(app, ["report", str(out), *options])
    assert done.exit_code in (COMPLETE, FAILED, UNAVAILABLE), done.output
    assert not {c for c in done.output if not (c == "\n" or c.isprintable())}
    return done.exit_code


def sealed(document: dict[str, Any]) -> bytes | None:
    """A result with a seal that is right, as a stranger can make one; None if it is no JSON."""
    try:
        text = json.dumps({k: v for k, v in document.items() if k != "seal"})
        return json.dumps(json.loads(text) | {"seal": seal_of(from_json(text))}).encode()
    except ValueError:
        return None


@fuzz
@given(data=st.data())
def test_results_are_read_or_refused(data: st.DataObject, one_result: Path):
    written = one_result.read_bytes()
    document = json.loads(written)
    text = data.draw(json_texts(document))
    if data.draw(st.booleans()):
        with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
            text = sealed(json.loads(text)) or text
    one_result.write_bytes(text)
    kinds: list[type[CellResult]] = [EvaluateResult, PretrainResult]
    try:
        for kind in kinds:
            again = read_result(one_result.parent, kind)
            assert again is None or again.key == document["key"]
            try:
                found = read_cell(one_result.parent, kind)
            except UnreadableError as error:
                assert str(error).isprintable()  # noqa: PT017 others end well
            else:
                assert found
                assert found.key == document["key"]
    finally:
        one_result.write_bytes(written)


@fuzz
@given(data=st.data())
def test_predictions_are_read_or_refused(data: st.DataObject, one_result: Path):
    path = one_result.with_name("predictions.npz")
    written = path.read_bytes()
    result = read_cell(one_result.parent, EvaluateResult)
    assert result is not None
    content = data.draw(damaged(written))
    vouched = result.model_copy(update={"files": {path.name: hashlib.sha256(content).hexdigest()}})
    path.write_bytes(content)
    try:
        found = read_predictions(path.parent, vouched, {})
    except UnreadableError:
        pass
    else:
        assert found["scores"].shape == (result.n_test, len(result.classes))
        assert np.isfinite(found["scores"]).all()
    finally:
        path.write_bytes(written)


class Trace:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_objects_in_predictions_are_not_unpickled(one_result: Path, tmp_path: Path):
    result = read_cell(one_result.parent, EvaluateResult)
    assert result is not None
    trace = tmp_path / "was-run"
    hostile = np.full(result.n_test, Trace(trace), dtype=object)
    content = pack_arrays(patients=hostile, rows=hostile, targets=hostile, scores=hostile)
    path = one_result.with_name("predictions.npz")
    path.write_bytes(content)
    vouched = result.model_copy(update={"files": {path.name: hashlib.sha256(content).hexdigest()}})
    with pytest.raises(UnreadableError, match="patients is object"):
        read_predictions(path.parent, vouched, {})
    assert not trace.exists()


@fuzz
@given(data=st.data())
def test_plans_are_read_or_refused(data: st.DataObject, run_folder: Path):
    path = run_folder / "plan.json"
    written = path.read_bytes()
    path.write_bytes(data.draw(json_texts(json.loads(written))))
    try:
        plan = read_plan(run_folder)
        assert plan is None or all(len(cell.key) == 16 for cell in (*plan.pretrain, *plan.evaluate))
    finally:
        path.write_bytes(written)


@fuzz
@given(data=st.data())
def test_histories_are_read_or_left_out(data: st.DataObject, run_folder: Path):
    [path] = sorted(run_folder.glob("pretrain/*/history.csv"))[:1]
    written = path.read_bytes(), (path.parent / "result.json").read_bytes()
    content = data.draw(damaged(written[0]))
    path.write_bytes(content)
    document = json.loads(written[1])
    document["files"]["history.csv"] = hashlib.sha256(content).hexdigest()
    document["sizes"] = {"history.csv": len(content)}
    (path.parent / "result.json").write_bytes(sealed(document) or b"")
    try:
        assert build_leaderboard([run_folder]).rows
    finally:
        path.write_bytes(written[0])
        (path.parent / "result.json").write_bytes(written[1])


def everywhere(out: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change every result of a run and seal it anew."""
    for path in out.rglob("result.json"):
        document = json.loads(path.read_bytes())
        change(document)
        path.write_bytes(sealed(document) or b"{}")


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_a_report_of_hostile_provenance_ends_well(run_folder: Path, value: Any):
    written = {path: path.read_bytes() for path in run_folder.rglob("result.json")}
    document = json.loads(next(iter(written.values())))
    for place in places(document["provenance"]):

        def change(result: dict[str, Any], place: tuple[Any, ...] = place) -> None:
            result["provenance"] = changed(result["provenance"], place, "replace", value)

        everywhere(run_folder, change)
        with contextlib.suppress(DataError):
            to_json(build_leaderboard([run_folder]))
        for path, content in written.items():
            path.write_bytes(content)


@fuzz
@given(data=st.data())
def test_the_report_of_a_changed_run_ends_with_0_3_or_5(data: st.DataObject, run_folder: Path):
    paths = sorted([*run_folder.rglob("result.json"), *[run_folder / "plan.json"] * 3])
    path = data.draw(st.sampled_from(paths))
    written = path.read_bytes()
    path.write_bytes(data.draw(json_texts(json.loads(written))))
    try:
        report(run_folder)
        done = CliRunner().invoke(app, ["compare", str(run_folder), str(run_folder)])
        assert done.exit_code in (COMPLETE, FAILED, UNAVAILABLE), done.output
    finally:
        path.write_bytes(written)


@fuzz
@given(data=st.data())
def test_leaderboards_are_read_or_refused(data: st.DataObject, run_folder: Path):
    folder = run_folder / "report"
    path = folder / "leaderboard.json"
    if not path.is_file():
        assert report(run_folder, "-f", "json") == COMPLETE
    written = path.read_bytes()
    path.write_bytes(data.draw(json_texts(json.loads(written))))
    try:
        try:
            Leaderboard.read(path)
        except DataError as error:
            assert str(error).isprintable()  # noqa: PT017 others end well
            return
        report(path, "-o", str(folder / "again"))
    finally:
        path.write_bytes(written)
