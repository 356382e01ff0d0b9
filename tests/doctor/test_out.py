"""What the doctor finds in a run that was damaged in one way, and what it leaves behind."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
from safetensors.numpy import save

from lcd_plugin.bench import own_files, results
from lcd_plugin.bench.observe.cell_log import LOGS
from lcd_plugin.bench.pretraining import CHECKPOINT
from lcd_plugin.bench.results import EvaluateResult, PretrainResult, read_result
from lcd_plugin.bench.runners import Presence, new_name
from lcd_plugin.doctor.findings import Finding
from lcd_plugin.doctor.mend import mend, remove
from lcd_plugin.doctor.out import examine
from lcd_plugin.errors import ConfigError, DataError
from lcd_plugin.report.write import FORMATS, WRITTEN


def _load(name: str) -> ModuleType:
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"lcd_doctor_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


damage = _load("damage")


def all_files(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below a folder, folders too: mode, time of change in ns, content."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        state = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (state.st_mode, state.st_mtime_ns, content)
    return found


def problems(out: Path, report: bool = False) -> list[Finding]:
    return [f for f in examine(out, report).findings if f.severity == "problem"]


def kinds(out: Path) -> set[str]:
    return {finding.kind for finding in examine(out, report=False).findings}


def test_a_sound_run_has_no_findings(out: Path):
    assert examine(out, report=True).findings == []


@pytest.mark.parametrize("name", damage.PROBLEMS)
def test_damage_is_found_and_nothing_is_changed_by_looking(out: Path, name: str):
    damage.PROBLEMS[name].do(out)
    before = all_files(out.parent)
    found = problems(out)
    assert {f.kind for f in found} - {"report"} == {damage.PROBLEMS[name].kind}
    assert all_files(out.parent) == before


@pytest.mark.parametrize("name", damage.PROBLEMS)
def test_a_run_is_sound_after_mending_and_nothing_outside_it_is_touched(out: Path, name: str):
    damage.PROBLEMS[name].do(out)
    bystander = out.parent / "bystander"
    bystander.write_text("here before")
    outside = {p: c for p, c in all_files(out.parent).items() if not p.startswith(str(out))}
    mended = mend(examine(out, report=False))
    left = {f.kind for f in problems(out)}
    assert left == {f.kind for f in mended.left if f.severity == "problem"}
    if damage.PROBLEMS[name].mendable:
        assert left == set()
    else:  # without its plan or its results no report can be made
        assert left - {"report"} == {damage.PROBLEMS[name].kind}
    now = {p: c for p, c in all_files(out.parent).items() if not p.startswith(str(out))}
    assert {p: c for p, c in now.items() if p != str(out.parent)} == {
        p: c for p, c in outside.items() if p != str(out.parent)
    }


@pytest.mark.parametrize("name", damage.NOTES)
def test_what_is_good_to_know_is_no_problem(out: Path, name: str):
    damage.NOTES[name].do(out)
    before = all_files(out)
    found = examine(out, report=False).findings
    assert damage.NOTES[name].kind in {f.kind for f in found}
    assert all(f.severity == "note" for f in found if f.kind != "report")
    assert all_files(out) == before


def test_mending_takes_from_a_damaged_cell_all_that_was_computed_and_keeps_the_others(out: Path):
    folder = damage.first(out, "evaluate")
    others = {p: c for p, c in all_files(out / "evaluate").items() if str(folder) not in p}
    others.pop(str(out / "evaluate"))
    damage.cut(folder / "predictions.npz")
    mend(examine(out))
    assert not folder.exists() or not list(folder.iterdir())
    now = all_files(out / "evaluate")
    assert {p: now[p] for p in others} == others


def test_a_report_is_written_anew_without_the_results_that_were_damaged(out: Path):
    damage.cut(damage.first(out, "evaluate") / "predictions.npz")
    key = damage.first(out, "evaluate").name
    assert key in (out / "report" / "leaderboard.json").read_text()
    mend(examine(out))
    assert key not in (out / "report" / "leaderboard.json").read_text()
    assert problems(out, report=True) == []


def test_a_leaderboard_changed_by_hand_is_found_and_written_anew(out: Path):
    path = out / "report" / "leaderboard.json"
    honest = json.loads(path.read_text())["rows"]
    damage.edit(path, lambda board: board["rows"][0].update(mean=0.999))
    (found,) = problems(out, report=True)
    assert (found.kind, found.path) == ("report", "report/leaderboard.json")
    assert "0.999" in found.message
    assert problems(out, report=False) == []
    mend(examine(out, report=True))
    assert json.loads(path.read_text())["rows"] == honest


def test_rows_too_few_and_rows_of_nothing_are_stale(out: Path):
    path = out / "report" / "leaderboard.json"
    damage.edit(path, lambda board: board["rows"].pop())
    assert "1 row too few" in problems(out, report=True)[0].message
    damage.edit(path, lambda board: board["rows"][0].update(method="ghost"))
    assert "1 row without results" in problems(out, report=True)[0].message


def test_a_row_from_results_that_are_gone_is_seen_without_making_the_board(out: Path):
    folder = damage.first(out, "evaluate")
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    (found,) = problems(out)
    assert found.kind == "report"
    assert folder.name in found.message


def test_a_result_that_was_computed_between_looking_and_mending_stays(out: Path):
    folder = damage.first(out, "evaluate")
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    damage.cut(folder / "predictions.npz")
    examination = examine(out)
    for path, content in whole.items():
        path.write_bytes(content)
    mend(examination)
    assert {path: path.read_bytes() for path in folder.iterdir()} == whole


def test_results_without_a_seal_are_counted_and_valid(out: Path):
    for path in out.glob("*/*/result.json"):
        damage.edit(path, lambda result: (result.pop("seal"), result.pop("sizes")))
    (found,) = examine(out, report=False).findings[:1]
    assert (found.kind, found.severity) == ("unsealed", "note")
    assert found.message.startswith("8 results")


def test_scores_from_before_their_pretraining_was_computed_again_are_told(out: Path):
    def date(kind: str, day: int) -> None:
        times = {"started": f"2026-01-{day:02}T10", "finished": f"2026-01-{day:02}T12"}
        for path in (out / kind).glob("*/result.json"):
            damage.edit(path, lambda result: result["provenance"].update(times), seal=True)

    date("pretrain", 2)
    date("evaluate", 3)
    assert examine(out).findings == []
    date("evaluate", 1)
    (found,) = examine(out).findings
    assert (found.kind, found.severity) == ("older", "note")
    assert found.message.startswith("4 evaluations")


def test_failed_cells_are_counted_by_what_tries_them_again(out: Path):
    folders = sorted((out / "evaluate").iterdir())
    shutil.rmtree(out / "report")
    for folder, transient in zip(folders[:3], (True, False, False), strict=True):
        (folder / "predictions.npz").unlink()
        changed = {
            "status": "failed",
            "error": "x",
            "transient": transient,
            "files": {},
            "sizes": {},
        }
        damage.edit(folder / "result.json", lambda result, c=changed: result.update(c), seal=True)
    said = [f.message for f in examine(out).findings]
    assert said == [
        "1 cell failed for a reason that may pass; the next `lcd-bench run` tries again",
        "2 cells failed; `lcd-bench run --retry-failed` tries again",
    ]


def test_results_that_no_plan_asks_for_are_counted(out: Path):
    damage.edit(out / "plan.json", lambda plan: plan["evaluate"].pop())
    shutil.rmtree(out / "report")
    (found,) = examine(out).findings
    assert (found.kind, found.severity) == ("other-results", "note")
    assert found.message.startswith("1 result ")


def test_results_passed_on_without_any_encoder_are_kept(out: Path):
    for path in out.glob("pretrain/*/encoder.safetensors"):
        path.unlink()
    before = all_files(out)
    examination = examine(out, report=True)
    assert [(f.kind, f.severity) for f in examination.findings] == [
        ("missing-weights", "note"),
    ]
    mend(examination)
    assert all_files(out) == before


def test_an_interrupted_pretraining_goes_on_from_what_it_has(out: Path):
    folder = damage.first(out, "pretrain")
    for path in folder.iterdir():
        path.unlink()
    whole = save({})
    (folder / CHECKPOINT).write_bytes(whole)
    (folder / "snapshot-0.5.safetensors").write_bytes(whole)
    (folder / "encoder.safetensors").write_bytes(whole)  # killed before the result was written
    assert {"interrupted", "half-written", "no-pretraining"} <= kinds(out)
    mend(examine(out))
    assert {p.name for p in folder.iterdir()} == {CHECKPOINT, "snapshot-0.5.safetensors"}
    assert problems(out) == []


def test_a_pretraining_that_could_not_go_on_starts_anew(out: Path):
    folder = damage.first(out, "pretrain")
    for path in folder.iterdir():
        path.unlink()
    (folder / CHECKPOINT).write_bytes(save({}))
    (folder / "snapshot-0.5.safetensors").write_bytes(b"half of it")
    assert "unreadable" in kinds(out)
    mend(examine(out))
    assert not folder.exists()


def test_of_a_damaged_pretraining_a_valid_checkpoint_stays(out: Path):
    folder = damage.first(out, "pretrain")
    damage.flip(folder / "encoder.safetensors")
    (folder / CHECKPOINT).write_bytes(save({}))
    mend(examine(out))
    assert [p.name for p in folder.iterdir()] == [CHECKPOINT]


def test_mending_refuses_while_a_runner_is_at_work_and_leaves_its_cells_alone(out: Path):
    folder, begun = sorted((out / "evaluate").iterdir())[:2]
    (folder / "result.json").unlink()
    shutil.rmtree(begun)  # claimed, and nothing of it is written yet
    runner = new_name()
    facts = {"executor": "inline", "jobs": 0, "total": 8}
    with Presence(out, runner, lambda: facts):
        damage.put(out / "leases" / f"{folder.name}.0", runner)
        damage.put(out / "leases" / f"{begun.name}.3", runner)
        before = all_files(out)
        examination = examine(out)
        assert [f.kind for f in examination.findings] == ["at-work"]
        with pytest.raises(ConfigError, match="being worked on"):
            mend(examination)
        assert all_files(out) == before
    assert {"half-written", "dead-lease"} <= kinds(out)


def test_mending_refuses_while_a_runner_may_be_at_work_on_another_host(out: Path):
    damage.put(out / "runners" / f"{damage.NOBODY}.json")
    damage.put(damage.first(out, "evaluate") / "orphan")
    with pytest.raises(ConfigError, match="another host"):
        mend(examine(out))
    assert (damage.first(out, "evaluate") / "orphan").exists()


@pytest.mark.parametrize(
    "name",
    [
        "a result without its end",
        "a result that is something else",
        "a number changed by hand",
        "a seal taken away",
        "other settings under the same key",
        "predictions missing",
        "one encoder missing",
        "predictions cut",
        "a bit of an encoder flipped",
        "a history changed",
    ],
)
def test_damage_is_what_the_next_run_would_not_rely_on(out: Path, name: str):
    damage.PROBLEMS[name].do(out)
    bad = {"/".join(f.path.split("/")[:2]) for f in problems(out) if f.kind != "report"}
    folders = [*(out / "pretrain").iterdir(), *(out / "evaluate").iterdir()]
    models = {"pretrain": PretrainResult, "evaluate": EvaluateResult}
    unread = [f for f in folders if read_result(f, models[f.parent.name]) is None]
    assert bad == {f"{folder.parent.name}/{folder.name}" for folder in unread}


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/hostname", "evaluate/../../outside", "link/x"]
)
def test_nothing_outside_is_ever_removed(tmp_path: Path, path: str):
    root = tmp_path / "out"
    root.mkdir()
    (tmp_path / "outside").write_text("stays")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_text("stays")
    (root / "link").symlink_to(tmp_path / "folder")
    with pytest.raises(OSError, match="not in the folder"):
        remove(root, path)
    with pytest.raises(OSError, match="no file"):
        remove(root, "link")
    assert (tmp_path / "outside").exists()
    assert (tmp_path / "folder" / "x").exists()


def test_names_are_those_that_the_run_writes():
    assert own_files.CHECKPOINT == CHECKPOINT
    of_cells = (results.RESULT, results.ENCODER, results.HISTORY, results.PREDICTIONS, CHECKPOINT)
    assert all(own_files.OF_CELL.fullmatch(name) for name in of_cells)
    of_reports = [*(name for name, _ in FORMATS.values())]
    assert all(own_files.OF_REPORT.fullmatch(name) for name in of_reports)
    assert own_files.OF_FIGURES.fullmatch(WRITTEN)
    assert own_files.LOGS == LOGS


def test_logs_and_trackers_are_known_and_hidden_files_of_others_stay(out: Path):
    for name in ("logs", "tensorboard", "mlflow"):
        (out / name).mkdir(exist_ok=True)
    hidden = [out / "runners" / ".notes-abcdefgh", out / ".config-abcdefgh"]
    for path in hidden:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    examination = examine(out)
    unknown = {finding.path for finding in examination.findings if finding.kind == "unknown"}
    assert unknown == {"runners/.notes-abcdefgh", ".config-abcdefgh"}
    mend(examination)
    assert all(path.exists() for path in hidden)


def test_a_folder_without_a_run_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="holds no results"):
        examine(tmp_path)
    with pytest.raises(DataError, match="no folder"):
        examine(tmp_path / "nowhere")
