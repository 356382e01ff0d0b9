"""Runs of several folders together, and files that are not what a run writes."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lcd_plugin.bench.results import EvaluateResult, PretrainResult, read_result, write_result
from lcd_plugin.errors import DataError
from lcd_plugin.report.collect import Collected, collect
from lcd_plugin.report.comparisons import make_tables
from lcd_plugin.report.exports import to_json
from lcd_plugin.report.folders import named_folders
from lcd_plugin.report.leaderboard import build_leaderboard
from lcd_plugin.report.model import Leaderboard
from lcd_plugin.report.notes import table_notes


def statuses(collected: Collected) -> list[str]:
    return [cell.status for cell in collected.unfinished]


def lines(collected: Collected) -> dict[str, list[int]]:
    """Seeds by line."""
    return {
        place.method: [run.cell.seed for run in own]
        for table in make_tables(collected.scored)
        for place, own in table.lines.items()
    }


def evaluation(out: Path) -> Path:
    (folder,) = (out / "evaluate").iterdir()
    return folder


class TestNames:
    def test_are_as_long_as_they_must_be(self, tmp_path: Path):
        outs = [tmp_path / "alice/out", tmp_path / "bob/out", tmp_path / "bob/other"]
        assert list(named_folders(outs)) == ["alice/out", "bob/out", "other"]

    def test_of_folders_that_end_alike(self, tmp_path: Path):
        outs = [tmp_path / "x/run/out", tmp_path / "y/run/out", tmp_path / "y/go/out"]
        assert list(named_folders(outs)) == ["x/run/out", "y/run/out", "y/go/out"]

    def test_one_folder_counts_once(
        self, tmp_path: Path, runs: Any, monkeypatch: pytest.MonkeyPatch
    ):
        out = runs.write({"lcd": [runs.noisy(1, 1)]})
        (tmp_path / "link").symlink_to(out)
        monkeypatch.chdir(out)
        outs = [out, Path(f"{out}/"), tmp_path / "link", Path(), tmp_path / "x/../out"]
        assert list(named_folders(outs)) == ["out"]
        assert len(collect(outs).scored) == 1

    def test_are_those_of_results_and_plans(self, runs: Any):
        outs = [
            runs.write({"lcd": [runs.noisy(1, 1)]}, "alice/out"),
            runs.write({"byol": [runs.noisy(1, 2)]}, "bob/out"),
        ]
        collected = collect(outs)
        assert list(collected.plans) == ["alice/out", "bob/out"]
        assert {(s.cell.method, s.out) for s in collected.scored} == {
            ("lcd", "alice/out"), ("byol", "bob/out"),
        }  # fmt: skip


class TestOneKeyInSeveralFolders:
    def test_equal_results_count_once(self, runs: Any):
        scores = {"lcd": [runs.noisy(1, 1), runs.noisy(1, 2)]}
        collected = collect([runs.write(scores, "a"), runs.write(scores, "b")])
        assert lines(collected) == {"lcd": [0, 1]}
        assert len(collected.curves) == 2
        assert statuses(collected) == collected.notes == []

    def test_and_so_do_those_that_another_library_compressed(self, runs: Any):
        scores = {"lcd": [runs.noisy(1, 1)]}
        outs = [runs.write(scores, "a"), runs.write(scores, "b")]
        folder = evaluation(outs[1])
        result = read_result(folder, EvaluateResult)
        assert result is not None
        buffer = io.BytesIO()
        np.savez(buffer, **np.load(folder / "predictions.npz"))
        write_result(folder, result, {"predictions.npz": buffer.getvalue()})
        assert lines(collect(outs)) == {"lcd": [0]}

    def test_different_predictions_are_a_conflict(self, runs: Any):
        same = runs.noisy(1, 2)
        outs = [
            runs.write({"lcd": [runs.noisy(1, 1)], "byol": [same]}, "alice/out"),
            runs.write({"lcd": [runs.noisy(2, 3)], "byol": [same]}, "bob/out"),
        ]
        collected = collect(outs)
        assert lines(collected) == {"byol": [0]}
        (conflict,) = collected.unfinished
        assert (conflict.status, conflict.title) == ("conflict", "linear lcd")
        assert "alice/out and bob/out have different results" in conflict.reason
        apart = np.abs(runs.noisy(1, 1) - runs.noisy(2, 3)).max()
        assert f"scores up to {apart:.2g} apart" in conflict.reason
        assert any("1 result that differ" in note for note in collected.notes)
        # Whichever comes first, none is preferred.
        assert statuses(collect(outs[::-1])) == ["conflict"]

    def test_a_third_folder_settles_nothing(self, runs: Any):
        one, other = {"lcd": [runs.noisy(1, 1)]}, {"lcd": [runs.noisy(2, 3)]}
        outs = [runs.write(s, name) for s, name in ((one, "a"), (one, "b"), (other, "c"))]
        assert statuses(collect(outs)) == ["conflict"]

    def test_what_one_lacks_another_fills(self, runs: Any):
        scores = {"lcd": [runs.noisy(1, 1)]}
        outs = [runs.write(scores, "a"), runs.write(scores, "b")]
        shutil.rmtree(evaluation(outs[0]))
        assert statuses(collect(outs[:1])) == ["missing"]
        collected = collect(outs)
        assert [s.out for s in collected.scored] == ["b"]
        assert statuses(collected) == []

    def test_so_for_a_failed_and_a_spoilt_one(self, runs: Any):
        scores = {"lcd": [runs.noisy(1, 1)]}
        outs = [runs.write(scores, name) for name in "abc"]
        (evaluation(outs[0]) / "predictions.npz").write_bytes(b"half")
        folder = evaluation(outs[1])
        failed = read_result(folder, EvaluateResult)
        assert failed is not None
        failed = failed.model_copy(update={"status": "failed", "error": "no memory"})
        write_result(folder, failed, {})
        collected = collect(outs)
        assert [s.out for s in collected.scored] == ["c"]
        assert statuses(collected) == []
        assert "Skipped in a: 1 result that cannot be read" in collected.notes[0]
        (problem,) = collect(outs[:2]).unfinished
        assert (problem.status, problem.reason, problem.out) == ("failed", "no memory", "b")

    def test_a_pretraining_and_its_score_in_two_folders(self, runs: Any):
        scores = {"lcd": [runs.noisy(1, 1)]}
        outs = [runs.write(scores, "a"), runs.write(scores, "b")]
        shutil.rmtree(outs[0] / "pretrain")
        shutil.rmtree(outs[1] / "evaluate")
        (problem,) = collect(outs[:1]).unfinished[1:]
        assert "pretraining is gone" in problem.reason
        (scored,) = collect(outs).scored
        assert scored.out == "a"
        assert scored.pretraining is not None

    def test_encoders_that_came_out_differently_are_told(self, runs: Any):
        outs = [runs.write({"lcd": [runs.noisy(1, f)]}, str(f), fraction=f / 10) for f in (1, 10)]
        assert collect(outs).notes == []
        for out in outs:
            path = next((out / "pretrain").iterdir()) / "result.json"
            result = json.loads(path.read_text())
            result["files"]["encoder.safetensors"] = out.name
            path.write_text(json.dumps(result))
        assert "1 pretraining came out differently" in collect(outs).notes[0]


class TestVersions:
    @pytest.mark.parametrize("field", ["method_version", "encoder_version", "engine"])
    def test_older_ones_are_left_out_and_told(self, runs: Any, field: str):
        name = {"encoder": "e"}
        outs = [
            runs.write({"lcd": [runs.noisy(1, 1)]}, "old", settings={field: 1} | name),
            runs.write(
                {"lcd": [runs.noisy(1, 2)]}, "new", settings={field: 2} | name, first_seed=1
            ),
        ]
        collected = collect(outs)
        assert lines(collected) == {"lcd": [1]}
        (stale,) = collected.unfinished
        assert (stale.status, stale.out) == ("stale", "old")
        assert "1, now 2" in stale.reason
        assert [curve.seed for curve in collected.curves] == [1]
        assert build_leaderboard(outs).rows[0].method == "lcd"  # and not lcd@hash

    def test_of_another_method_do_not_count(self, runs: Any):
        outs = [
            runs.write({"lcd": [runs.noisy(1, 1)]}, "a", settings={"method_version": 1}),
            runs.write({"byol": [runs.noisy(1, 2)]}, "b", settings={"method_version": 2}),
        ]
        assert set(lines(collect(outs))) == {"lcd", "byol"}

    def test_an_older_schema_is_stale_and_a_newer_one_unreadable(self, runs: Any):
        out = runs.write({"lcd": [runs.noisy(1, 1)], "byol": [runs.noisy(1, 2)]})
        for folder, version in zip(sorted((out / "evaluate").iterdir()), (0, 99), strict=True):
            result = json.loads((folder / "result.json").read_text())
            result |= {"schema_version": version, "a_new_field": 1}
            (folder / "result.json").write_text(json.dumps(result))
        problems = {cell.status: cell.reason for cell in collect([out]).unfinished}
        assert set(problems) == {"stale", "unreadable"}
        assert "update lcd-bench" in problems["unreadable"]

    def test_older_ones_beside_the_newest_plan_are_told(self, runs: Any):
        """A second run on the same folder leaves the results of the first where they are."""
        runs.write({"lcd": [runs.noisy(1, 1)]}, settings={"method_version": 1})
        runs.write({"lcd": [runs.noisy(1, 1)]}, settings={"method_version": 2}, gamma=1)
        out = runs.write({"lcd": [runs.noisy(1, 1)]}, settings={"method_version": 2})
        notes = " ".join(collect([out]).notes)
        assert "Left out of out: 2 results of other settings" in notes
        assert "2 results of older versions (method lcd 1, now 2)" in notes

    def test_other_settings_stay_lines_of_their_own(self, runs: Any):
        outs = [
            runs.write({"lcd": [runs.noisy(1, 1)]}, f"{gamma}", gamma=gamma) for gamma in (0.1, 0.2)
        ]
        collected = collect(outs)
        assert statuses(collected) == []
        (note,) = table_notes(make_tables(collected.scored))
        assert "lcd under different settings" in note
        assert "gamma (0.1, 0.2)" in note

    def test_those_whose_newer_one_is_there_are_no_gap(self, runs: Any):
        old = {"lcd": [runs.noisy(1, i) for i in range(3)], "byol": [runs.noisy(1, 9)]}
        new = {"lcd": [runs.noisy(1, i) for i in range(2)], "byol": [runs.noisy(2, 9)]}
        settings = {"old": {"method_version": 1}, "new": {"method_version": 2}}
        outs = [runs.write(s, n, settings=settings[n]) for n, s in (("old", old), ("new", new))]
        for order in (outs, outs[::-1]):
            collected = collect(order)
            assert lines(collected) == {"lcd": [0, 1], "byol": [0]}
            (third,) = collected.unfinished  # its third seed has no newer one
            assert (third.status, third.out) == ("stale", "old")
            assert any(
                "3 results of older versions, of which this report has the newer ones" in note
                for note in collected.notes
            )

    def test_of_an_older_schema_too(self, runs: Any):
        scores = {"lcd": [runs.noisy(1, 1)]}
        old = runs.write(scores, "old", settings={"method_version": 1})
        for path in old.glob("*/*/result.json"):
            path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 0}))
        assert statuses(collect([old])) == ["stale", "stale"]
        new = runs.write(scores, "new", settings={"method_version": 2})
        assert statuses(collect([old, new])) == []


def change_plan(out: Path, change: Callable[[dict[str, Any]], None], kind: str = "") -> None:
    """Change the planned cells of a kind, or the whole plan."""
    plan = json.loads((out / "plan.json").read_text())
    for each in plan[kind] if kind else [plan]:
        change(each)
    (out / "plan.json").write_text(json.dumps(plan))


def without_folders(board: Leaderboard) -> dict[str, Any]:
    """A document without what names folders or is in their order."""
    document = json.loads(to_json(board))
    for name in ("created", "suite", "runs", "provenance"):
        del document[name]
    for row in document["rows"]:
        row["results"] = sorted(folder.partition("/")[2] for folder in row["results"])
    for curve in document["curves"]:
        del curve["out"]
    for entries in document.values():
        if isinstance(entries, list):
            entries.sort(key=lambda entry: json.dumps(entry, sort_keys=True))
    return dict(document)


class TestRecipes:
    """Settings make a line; a recipe is a name that a plan has for them."""

    def two(self, runs: Any, first: str, second: str) -> list[Path]:
        """Two folders that share results, each with some of its own, under two recipes."""
        lcd = [runs.noisy(1.5, i) for i in range(4)]
        few = [runs.noisy(1.0, 10 + i) for i in range(4)]
        random = [runs.noisy(0.0, 20 + i) for i in range(4)]
        outs = []
        for name, recipe, seeds in (("a", first, range(3)), ("b", second, range(1, 4))):
            for scores, fraction in ((lcd, 1.0), (few, 0.1)):
                if fraction == 0.1 and name == "b":
                    continue
                own = [scores[i] for i in seeds]
                noise = [random[i] for i in seeds]
                outs.append(
                    runs.write(
                        {"lcd": own, "random": noise}, f"{name}{fraction}", recipe=recipe,
                        fraction=fraction, first_seed=seeds[0], wall_s=10.0 + seeds[0],
                    )
                )  # fmt: skip
        return outs

    @pytest.mark.parametrize(("first", "second"), [("", "best"), ("best", ""), ("mine", "best")])
    def test_one_line_whatever_folder_comes_first(self, runs: Any, first: str, second: str):
        outs = self.two(runs, first, second)
        board = build_leaderboard(outs)
        seeds = {
            (r.method, r.label_fraction): (r.recipe, r.n_seeds)
            for r in board.rows
            if r.metric == "auroc"
        }
        assert seeds == {
            ("lcd", 1.0): ("best", 4), ("random", 1.0): ("best", 4),
            ("lcd", 0.1): ("best", 3), ("random", 0.1): ("best", 3),
        }  # fmt: skip
        (note,) = (n for n in board.notes if "several names" in n)
        assert "lcd, random" in note
        assert {curve.recipe for curve in board.curves} == {"best"}
        assert without_folders(board) == without_folders(build_leaderboard(outs[::-1]))

    def test_other_settings_under_one_recipe_stay_apart(self, runs: Any):
        outs = [
            runs.write({"lcd": [runs.noisy(1, 1)]}, f"{g}", recipe="best", gamma=g) for g in (1, 2)
        ]
        found = lines(collect(outs))
        assert len(found) == 2
        assert all(name.startswith("lcd@") for name in found)
        assert found == lines(collect(outs[::-1]))

    def test_one_name_needs_no_note(self, runs: Any):
        out = runs.write({"lcd": [runs.noisy(1, 1)]}, recipe="best")
        assert collect([out]).notes == []


class TestPlansThatSayOtherwise:
    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [
            ("method", "byol", "the plan says method byol, the result method lcd"),
            ("encoder", "f:width=2", "encoder f, the result encoder e"),
            ("dataset", "x", "dataset x, the result dataset d"),
            ("seed", 7, "seed 7, the result seed 0"),
            ("task", "u", "task u, the result task t"),
            ("protocol", "knn", "protocol knn, the result protocol linear"),
            ("leads", "I,II", "leads I,II, the result leads all"),
            ("label_fraction", 0.1, "label fraction 0.1, the result label fraction 1.0"),
            ("label_fraction", None, "label fraction -, the result label fraction 1.0"),
            ("label_seed", 5, "label seed 5, the result label seed 0"),
            ("snapshot", 0.5, "snapshot 0.5, the result snapshot -"),
            ("pretrain_key", None, "pretrain key -, the result"),
            ("pretrain_dataset", "x", "pretraining dataset x"),
        ],
    )
    def test_are_told_and_not_believed(self, runs: Any, field: str, value: Any, told: str):
        out = runs.write({"lcd": [runs.noisy(1, 1)]}, source="d", settings={"encoder": "e"})
        change_plan(out, lambda cell: cell.update({field: value}), "evaluate")
        collected = collect([out])
        assert collected.scored == []
        (problem,) = collected.unfinished
        assert problem.status == "unreadable"
        assert told in problem.reason

    def test_of_a_pretraining(self, runs: Any):
        out = runs.write({"lcd": [runs.noisy(1, 1)]})
        change_plan(out, lambda cell: cell.update(dataset="x"), "pretrain")
        assert statuses(collect([out])) == ["unreadable", "missing"]

    def test_names_that_were_swapped(self, runs: Any):
        out = runs.write({"lcd": [runs.noisy(1, 1)], "random": [runs.noisy(0, 2)]})
        other = {"lcd": "random", "random": "lcd"}
        for kind in ("pretrain", "evaluate"):
            change_plan(out, lambda cell: cell.update(method=other[cell["method"]]), kind)
        collected = collect([out])
        assert collected.scored == collected.curves == []
        assert statuses(collected) == ["unreadable"] * 4

    def test_cost_nothing_that_another_folder_has(self, runs: Any):
        scores = {"lcd": [runs.noisy(1, 1)]}
        outs = [runs.write(scores, "a"), runs.write(scores, "b")]
        change_plan(outs[0], lambda cell: cell.update(label_fraction=0.1), "evaluate")
        for order in (outs, outs[::-1]):
            collected = collect(order)
            assert [(s.out, s.cell.label_fraction) for s in collected.scored] == [("b", 1.0)]
            assert statuses(collected) == []
            assert "Skipped in a" in collected.notes[0]

    def test_what_older_plans_do_not_say_is_not_held_against_them(self, runs: Any):
        out = runs.write({"lcd": [runs.noisy(1, 1)]}, source="d")
        late = ("recipe", "leads", "label_seed", "snapshot", "pretrain_dataset")
        change_plan(out, lambda cell: [cell.pop(name) for name in late], "evaluate")
        assert statuses(collect([out])) == []


class TestWhatARunCouldNotUse:
    def test_is_told_once_for_all_folders(self, runs: Any):
        outs = [runs.write({"lcd": [runs.noisy(1, 1)]}, name) for name in ("a", "b", "c")]
        for out in outs[:2]:
            change_plan(out, lambda plan: plan.update(unavailable={"dataset x": "no records"}))
        (problem,) = collect(outs).unfinished
        assert (problem.status, problem.title, problem.out) == ("unavailable", "dataset x", "a, b")

    def test_is_no_gap_where_another_folder_has_it(self, runs: Any):
        outs = [
            runs.write({"lcd": [runs.noisy(1, 1)]}, "a"),
            runs.write({"byol": [runs.noisy(1, 1)]}, "b", dataset="x", recipe="best"),
        ]
        missing = {
            "method byol (best)": "", "dataset x (best)": "", "encoder f": "", "method byol": "",
            "pretraining on y": "",
        }  # fmt: skip
        change_plan(outs[0], lambda plan: plan.update(unavailable=missing))
        titles = [cell.title for cell in collect(outs).unfinished]
        assert titles == ["encoder f", "method byol", "pretraining on y"]


def test_several_sets_of_test_records_are_told_in_words(runs: Any):
    few = slice(0, 100)
    outs = [
        runs.write({"lcd": [runs.noisy(1, 1)]}, "alice"),
        runs.write(
            {"lcd": [runs.noisy(1, 1)[few]]}, "bob", data="d2",
            targets=runs.TARGETS[few], patients=runs.PATIENTS[few],
        ),
    ]  # fmt: skip
    (note,) = table_notes(make_tables(collect(outs).scored))
    assert "2 sets of test records" in note
    assert "has 300 records (alice)" in note
    assert "has 100 records (bob)" in note


def put(content: bytes | str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "result.json"
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def arrays(**changed: Any) -> Callable[[Path], None]:
    """Predictions that the result vouches for, with some arrays changed."""

    def change(folder: Path) -> None:
        result = read_result(folder, EvaluateResult)
        assert result is not None
        content = dict(np.load(folder / "predictions.npz")) | changed
        buffer = io.BytesIO()
        np.savez(buffer, **{n: a for n, a in content.items() if a is not None})
        write_result(folder, result, {"predictions.npz": buffer.getvalue()})

    return change


def raw_scores(header: str, body: bytes = b"") -> Callable[[Path], None]:
    """An archive whose scores have a header of any kind."""

    def change(folder: Path) -> None:
        result = read_result(folder, EvaluateResult)
        assert result is not None
        text = header.encode().ljust(117) + b"\n"
        array = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO((folder / "predictions.npz").read_bytes())) as old:
            members = {name: old.read(name) for name in old.namelist()}
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
            for name, content in (members | {"scores.npy": array}).items():
                new.writestr(name, content)
        write_result(folder, result, {"predictions.npz": buffer.getvalue()})

    return change


def file_in_place_of_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("a file")


def pipe(folder: Path) -> None:
    (folder / "result.json").unlink()
    os.mkfifo(folder / "result.json")


def edited(folder: Path) -> None:
    path = folder / "result.json"
    path.write_text(path.read_text().replace('"gamma": 0.005', '"gamma": 0.5'))


def other_machine(folder: Path) -> None:
    path = folder / "result.json"
    result = json.loads(path.read_text())
    path.write_text(json.dumps(result | {"provenance": {"machine": "mine"}}))


def half(folder: Path) -> None:
    path = folder / "result.json"
    path.write_bytes(path.read_bytes()[:200])


UNREADABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty": (put(""), "no JSON"),
    "half-written": (half, "no JSON"),
    "binary": (put(b"\xff\xfe\x00"), "no JSON"),
    "deep": (put("[" * 100_000), "no JSON"),
    "foreign": (put('{"results": {"accuracy": 1}}'), "none of lcd-bench"),
    "a list": (put("[1, 2]"), "none of lcd-bench"),
    "edited": (edited, "was changed"),
    "no machine": (other_machine, "does not say"),
    "a file": (file_in_place_of_folder, "in place of its folder"),
    "a pipe": (pipe, "it is not a file"),
    "no predictions": (lambda f: (f / "predictions.npz").unlink(), "is missing"),
    "changed predictions": (lambda f: (f / "predictions.npz").write_bytes(b"x"), "was changed"),
    "not a number": (arrays(scores=np.full((300, 2), np.nan, "f4")), "not a number"),
    "no end": (arrays(thresholds=np.full(2, np.inf, "f4")), "not a number"),
    "other targets": (arrays(targets=np.full((300, 2), 2, "i1")), "neither 0 nor 1"),
    "wrong shape": (arrays(scores=np.zeros((300, 3), "f4")), "of shape (300, 3)"),
    "wrong length": (arrays(patients=np.array(["p"])), "of shape (1,)"),
    "wrong type": (arrays(scores=np.full((300, 2), "x")), "scores is <U1"),
    "lacks one": (arrays(scores=None), "scores"),
    "objects": (arrays(patients=np.array([{}] * 300, dtype=object)), "patients is object"),
    "a claim": (
        raw_scores("{'descr': '<f4', 'fortran_order': False, 'shape': (10**12, 2)}"), "",
    ),
    "a huge array": (
        raw_scores("{'descr': '<f4', 'fortran_order': False, 'shape': (900000000000, 2)}"),
        "(900000000000, 2)",
    ),
    "a huge member": (
        raw_scores(
            "{'descr': '<f4', 'fortran_order': False, 'shape': (300, 2)}", bytes(50_000_000)
        ),
        "claims 50,000,128 bytes",
    ),
    "cut short": (
        raw_scores("{'descr': '<f4', 'fortran_order': False, 'shape': (300, 2)}", b"x"), "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_listed_and_skipped(runs: Any, name: str):
    out = runs.write({"lcd": [runs.noisy(1, 1)]}, "a")
    good = runs.write({"byol": [runs.noisy(1, 2)]}, "b")
    spoil, reason = UNREADABLE[name]
    spoil(evaluation(out))
    board = build_leaderboard([out, good])
    assert {row.method for row in board.rows} == {"byol"}
    (problem,) = board.unfinished
    assert (problem.status, problem.out) == ("unreadable", "a")
    assert reason in problem.reason


def test_a_result_in_the_folder_of_another_is_not_taken_for_it(runs: Any):
    out = runs.write({"lcd": [runs.noisy(1, 1)], "byol": [runs.noisy(1, 2)]})
    first, second = sorted((out / "evaluate").iterdir())
    shutil.rmtree(second)
    shutil.copytree(first, second)
    assert statuses(collect([out])) == ["unreadable"]


def test_foreign_things_beside_the_results_are_named(runs: Any):
    out = runs.write({"lcd": [runs.noisy(1, 1)]})
    (out / "evaluate" / "notes.txt").write_text("mine")
    (out / "evaluate" / ".DS_Store").write_text("")
    (out / "evaluate" / "empty").mkdir()
    (out / "pretrain" / "foreign").mkdir()
    (out / "pretrain" / "foreign" / "result.json").write_text('{"accuracy": 1}')
    collected = collect([out])
    assert len(collected.scored) == 1
    (note,) = collected.notes
    for name in ("pretrain/foreign", "evaluate/empty", "evaluate/notes.txt"):
        assert name in note
    assert "DS_Store" not in note


@pytest.mark.parametrize(
    "content", [b"", b"epoch,loss\n1,2\n", b"epoch,loss,embedding_std\n1,x,2\n", b"\xff\xfe", None]
)
def test_a_spoilt_history_costs_its_curve_only(runs: Any, content: bytes | None):
    out = runs.write({"lcd": [runs.noisy(1, 1)]})
    (folder,) = (out / "pretrain").iterdir()
    if content is None:
        (folder / "history.csv").unlink()
    else:
        result = read_result(folder, PretrainResult)
        assert result is not None
        write_result(folder, result, {"history.csv": content})
    collected = collect([out])
    assert len(collected.scored) == 1
    assert collected.curves == []
    assert "No training curve" in collected.notes[0]


def test_encoders_need_not_be_passed_on(runs: Any):
    out = runs.write({"lcd": [runs.noisy(1, 1)]})
    path = next((out / "pretrain").iterdir()) / "result.json"
    result = json.loads(path.read_text())
    result["files"]["encoder.safetensors"] = "0" * 64
    path.write_text(json.dumps(result))
    assert len(collect([out]).scored) == 1


class TestPlans:
    @pytest.mark.parametrize("plan", [None, b"", b"[]", b'{"schema": 9, "suite": "s"}'])
    def test_without_one_a_folder_is_named_and_the_others_are_reported(
        self, runs: Any, plan: bytes | None
    ):
        broken = runs.write({"lcd": [runs.noisy(1, 1)]}, "a")
        if plan is None:
            (broken / "plan.json").unlink()
        else:
            (broken / "plan.json").write_bytes(plan)
        with pytest.raises(DataError, match="run the same `lcd-bench run`"):
            collect([broken])
        collected = collect([broken, runs.write({"byol": [runs.noisy(1, 2)]}, "b")])
        assert list(collected.plans) == ["b"]
        (problem,) = collected.unfinished
        assert (problem.status, problem.title) == ("unreadable", "all of a")

    @pytest.mark.parametrize(
        ("where", "value"), [("kind", "mystery"), ("data", [{"dataset": "d"}])]
    )
    def test_with_what_no_report_can_show(self, runs: Any, where: str, value: Any):
        out = runs.write({"lcd": [runs.noisy(1, 1)]})
        plan = json.loads((out / "plan.json").read_text())
        (plan if where == "data" else plan["evaluate"][0])[where] = value
        (out / "plan.json").write_text(json.dumps(plan))
        with pytest.raises(DataError, match="damaged or of another version"):
            collect([out])

    @pytest.mark.parametrize("name", ["evaluate", "pretrain", "plan.json"])
    def test_in_the_place_of_something_else(self, runs: Any, name: str):
        out = runs.write({"lcd": [runs.noisy(1, 1)]}, "a")
        if name == "plan.json":
            (out / name).unlink()
            (out / name).mkdir()
            why = "plan.json cannot be read (Is a directory)"
        else:
            shutil.rmtree(out / name)
            (out / name).write_text("")
            why = f"{name} cannot be read (Not a directory)"
        with pytest.raises(DataError, match=re.escape(why)):
            collect([out])
        (problem,) = collect([out, runs.write({"byol": [runs.noisy(1, 2)]}, "b")]).unfinished
        assert (problem.status, problem.title) == ("unreadable", "all of a")
        assert why in problem.reason

    @pytest.mark.parametrize("name", ["a", "a/evaluate", "a/plan.json"])
    def test_that_one_may_not_read_are_said_to_be_so(
        self, runs: Any, monkeypatch: pytest.MonkeyPatch, name: str
    ):
        out = runs.write({"lcd": [runs.noisy(1, 1)]}, "a")
        closed = out.parent / name
        scan, read = os.scandir, os.open

        def refuse(path: Any) -> None:
            if closed in (Path(path), *Path(path).parents):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))

        def scandir(path: Any) -> Any:
            refuse(path)
            return scan(path)

        def open_(path: Any, *args: Any, **named: Any) -> Any:
            refuse(path)
            return read(path, *args, **named)

        monkeypatch.setattr(os, "scandir", scandir)
        monkeypatch.setattr(os, "open", open_)
        with pytest.raises(DataError, match=r"cannot be read \(Permission denied"):
            collect([out])

    @pytest.mark.parametrize("kind", ["nothing", "empty", "file"])
    def test_a_wrong_folder_is_an_error_beside_right_ones_too(
        self, runs: Any, tmp_path: Path, kind: str
    ):
        wrong = tmp_path / "wrong"
        if kind == "empty":
            wrong.mkdir()
        elif kind == "file":
            wrong.write_text("")
        said = {"nothing": "no folder", "empty": "holds no results", "file": "is a file"}[kind]
        with pytest.raises(DataError, match=said):
            collect([runs.write({"lcd": [runs.noisy(1, 1)]}), wrong])
