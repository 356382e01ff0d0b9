"""The statistics of the leaderboard, on results written for the purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from lcd_plugin.bench.results import (
    EvaluateResult,
    PretrainResult,
    key_of,
    pack_arrays,
    write_result,
)
from lcd_plugin.bench.saved_plan import SavedCell, SavedPlan, save_plan
from lcd_plugin.cli.tables import print_board
from lcd_plugin.errors import DataError
from lcd_plugin.report.exports import to_csv, to_markdown
from lcd_plugin.report.leaderboard import build_leaderboard
from lcd_plugin.report.model import Leaderboard, Row

CLASSES = ("MI", "HYP")
N = 300
RNG = np.random.default_rng(0)
TARGETS = (RNG.random((N, 2)) < [0.5, 0.3]).astype(np.int8)
PATIENTS = np.array([f"p{i // 2}" for i in range(N)])  # two records a patient


def noisy(strength: float, seed: int) -> np.ndarray:
    """Scores that follow the labels more or less."""
    noise = np.random.default_rng(seed).normal(size=(N, 2))
    return (strength * TARGETS + noise).astype(np.float32)


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run: method -> one score matrix a seed."""

    def write(
        scores: dict[str, list[np.ndarray]],
        name: str = "out",
        targets: np.ndarray = TARGETS,
        machine: str = "one",
        data: str = "d1",
        gamma: float = 0.005,
        source: str | None = None,
    ) -> Path:
        out = tmp_path / name
        pretrain, evaluate = [], []
        for method, seeds in scores.items():
            kind = method if method in ("random", "supervised") else "pretraining"
            for seed, score in enumerate(seeds):
                common = {
                    "method": method,
                    "kind": kind,
                    "encoder": "e",
                    "dataset": "d",
                    "seed": seed,
                }
                identity = {"method": method, "seed": seed, "data": data, "gamma": gamma}
                identity |= {"source": source} if kind != "supervised" else {}
                provenance = {"machine": {"name": machine}, "finished": "2026-01-01"}
                cell = SavedCell(key=key_of(identity), title=f"pretrain {method}", **common)
                pretrain.append(cell)
                result = PretrainResult(
                    key=cell.key, identity=identity, phases={"steps": 10.0 + seed},
                    records_per_s=100.0, updates=5, provenance=provenance,
                )  # fmt: skip
                history = b"epoch,loss,embedding_std\n1,2.0,0.1\n"
                write_result(out / "pretrain" / cell.key, result, {"history.csv": history})
                identity = identity | {"task": "t"}
                evaluated = SavedCell(
                    key=key_of(identity), title=f"linear {method}", task="t", protocol="linear",
                    label_fraction=1.0, pretrain_key=cell.key,
                    pretrain_dataset=None if kind == "supervised" else source, **common,
                )  # fmt: skip
                evaluate.append(evaluated)
                arrays = pack_arrays(
                    rows=np.arange(N), patients=PATIENTS, targets=targets, scores=score,
                    thresholds=np.array([0.5, 0.5], dtype=np.float32),
                )  # fmt: skip
                scored = EvaluateResult(
                    key=evaluated.key, identity=identity, classes=CLASSES, n_test=N, n_labels=9,
                    macro={"auroc": 0.0}, provenance=provenance,
                )  # fmt: skip
                write_result(out / "evaluate" / evaluated.key, scored, {"predictions.npz": arrays})
        plan = SavedPlan(
            suite="s", created="now", protocols=("linear",), pretrain=tuple(pretrain),
            evaluate=tuple(evaluate), unavailable={}, data=(),
        )  # fmt: skip
        save_plan(out, plan)
        return out

    return write


def rows_of(board: Leaderboard, metric: str = "auroc") -> dict[str, Row]:
    return {row.method: row for row in board.rows if row.metric == metric}


def test_means_are_those_of_scikit_learn(write_run: Callable[..., Path]):
    scores = [noisy(1.0, 1), noisy(1.0, 2), noisy(1.0, 3)]
    board = build_leaderboard([write_run({"lcd": scores})])
    auroc = [roc_auc_score(TARGETS, s, average="macro") for s in scores]
    row = rows_of(board)["lcd"]
    assert row.mean == pytest.approx(np.mean(auroc))
    assert row.seed_std == pytest.approx(np.std(auroc, ddof=1))
    auprc = [average_precision_score(TARGETS, s, average="macro") for s in scores]
    assert rows_of(board, "auprc")["lcd"].mean == pytest.approx(np.mean(auprc))
    mi = np.mean([roc_auc_score(TARGETS[:, 0], s[:, 0]) for s in scores])
    assert row.per_class["MI"] == pytest.approx(mi)
    assert row.pretrain_wall_s == pytest.approx(11.0)


def test_interval_against_a_plain_bootstrap_over_patients(write_run: Callable[..., Path]):
    score = noisy(1.0, 1)
    row = rows_of(build_leaderboard([write_run({"lcd": [score]})]))["lcd"]
    rng = np.random.default_rng(7)
    draws = []
    for _ in range(1000):
        drawn = rng.integers(0, N // 2, N // 2)
        records = np.concatenate([2 * drawn, 2 * drawn + 1])
        draws.append(roc_auc_score(TARGETS[records], score[records], average="macro"))
    low, high = np.percentile(draws, [2.5, 97.5])
    assert row.ci_low == pytest.approx(low, abs=0.008)
    assert row.ci_high == pytest.approx(high, abs=0.008)


def test_the_same_predictions_are_tied_and_a_clear_lead_is_not(write_run: Callable[..., Path]):
    same = noisy(1.0, 1)
    runs = {"lcd": [noisy(3.0, 5)], "byol": [same], "simclr": [same], "random": [noisy(0.0, 9)]}
    rows = rows_of(build_leaderboard([write_run(runs)]))
    assert rows["lcd"].rank == 1
    assert rows["lcd"].tied_with == ()
    assert rows["byol"].rank == rows["simclr"].rank == 2
    assert rows["byol"].tied_with == ("simclr",)
    assert rows["random"].rank == 4
    assert rows["byol"].beats_random is True
    assert rows["random"].beats_random is None


def test_what_does_not_beat_random_is_said(write_run: Callable[..., Path]):
    board = build_leaderboard([write_run({"lcd": [noisy(0, 1)], "random": [noisy(0, 2)]})])
    assert rows_of(board)["lcd"].beats_random is False
    assert "Not shown to be better than a random encoder: lcd" in to_markdown(board)


def test_pairing_finds_what_two_intervals_hide(write_run: Callable[..., Path]):
    """Two methods that err on the same records: intervals overlap, the difference is real."""
    base = noisy(1.0, 1)
    better = base + np.float32(0.2) * TARGETS
    rows = rows_of(build_leaderboard([write_run({"lcd": [better], "byol": [base]})]))
    assert rows["byol"].ci_high > rows["lcd"].ci_low
    assert rows["lcd"].tied_with == ()
    assert rows["byol"].rank == 2


def test_a_method_pretrained_on_two_datasets_has_a_row_for_each(write_run: Callable[..., Path]):
    """Seeds are averaged, and ranks given, by method and pretraining dataset."""
    same, weak = noisy(1.0, 1), noisy(0.0, 9)
    own = {"lcd": [noisy(3.0, 5), noisy(3.0, 6)], "random": [weak], "supervised": [noisy(1.0, 7)]}
    foreign = {"lcd": [same, same], "byol": [same], "random": [noisy(1.5, 8)]}
    folders = [write_run(own, "a", source="d"), write_run(foreign, "b", source="x")]
    board = build_leaderboard(folders)
    rows = {(r.method, r.pretrain_dataset): r for r in board.rows if r.metric == "auroc"}
    assert set(rows) == {
        ("lcd", "d"), ("random", "d"), ("supervised", ""),
        ("lcd", "x"), ("byol", "x"), ("random", "x"),
    }  # fmt: skip
    assert {r.dataset for r in rows.values()} == {"d"}
    assert rows["lcd", "d"].n_seeds == rows["lcd", "x"].n_seeds == 2
    auroc = np.mean([roc_auc_score(TARGETS, s, average="macro") for s in own["lcd"]])
    assert rows["lcd", "d"].mean == pytest.approx(auroc)
    assert rows["lcd", "d"].rank == 1
    assert rows["lcd", "x"].rank == rows["byol", "x"].rank
    assert rows["byol", "x"].tied_with == ("lcd (pretrained on x)", "supervised")
    # Each against the random encoder that was calibrated on the same records.
    assert rows["lcd", "d"].beats_random is True
    assert rows["lcd", "x"].beats_random is False
    assert rows["supervised", ""].beats_random is False  # it beats one of two
    assert rows["random", "x"].beats_random is None
    assert "byol (pretrained on x) (1)" in board.notes[0]


def test_every_form_of_the_leaderboard_tells_the_pretraining_dataset(
    write_run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
):
    scores = {"lcd": [noisy(0.0, 1)], "random": [noisy(0.0, 2)]}
    board = build_leaderboard([write_run(scores, source="x")])
    markdown = to_markdown(board)
    assert "| lcd (pretrained on x) |" in markdown
    assert "| random (calibrated on x) |" in markdown
    assert "better than a random encoder: lcd (pretrained on x)." in markdown
    line = dict(zip(*(text.split(",") for text in to_csv(board).splitlines()[:2]), strict=True))
    assert (line["pretrain_dataset"], line["dataset"]) == ("x", "d")
    print_board(board)
    printed = capsys.readouterr().out
    assert " lcd (pretrained on x) " in printed
    assert "better than a random encoder: lcd (pretrained on x)" in printed


@pytest.mark.parametrize("source", [None, "d"])
def test_a_method_pretrained_on_what_is_scored_is_called_by_its_name(
    write_run: Callable[..., Path], source: str | None
):
    """Also under `d@version`, and in plans from before the pretraining dataset was written."""
    scores = {"lcd": [noisy(1.0, 1)], "random": [noisy(0.0, 2)]}
    folders = [write_run(scores, "a", source=source), write_run(scores, "b", data="d2")]
    for outs in (folders[:1], folders):
        board = build_leaderboard(outs)
        assert {row.pretrain_dataset for row in board.rows} == {"d"}
        assert "pretrained on" not in to_markdown(board)


def test_rare_classes_are_named_and_left_out_of_the_second_mean(write_run: Callable[..., Path]):
    targets = TARGETS.copy()
    targets[9:, 1] = 0
    board = build_leaderboard([write_run({"lcd": [noisy(1, 1)]}, targets=targets)])
    row = rows_of(board)["lcd"]
    assert row.rare_classes == ("HYP",)
    assert row.mean_without_rare == pytest.approx(row.per_class["MI"])


def test_a_class_that_the_test_lacks_is_no_number(write_run: Callable[..., Path]):
    targets = TARGETS.copy()
    targets[:, 1] = 0
    row = rows_of(build_leaderboard([write_run({"lcd": [noisy(1, 1)]}, targets=targets)]))["lcd"]
    assert set(row.per_class) == {"MI"}
    assert row.mean == pytest.approx(row.per_class["MI"])


def test_two_folders_are_put_together_and_their_machines_told(write_run: Callable[..., Path]):
    first = write_run({"lcd": [noisy(1, 1)]}, "a")
    second = write_run({"byol": [noisy(1, 2)]}, "b", machine="two")
    board = build_leaderboard([first, second])
    assert set(rows_of(board)) == {"lcd", "byol"}
    assert "2 machines" in board.notes[0]


def test_other_data_under_the_same_name_is_another_comparison(write_run: Callable[..., Path]):
    first = write_run({"lcd": [noisy(1, 1)]}, "a")
    second = write_run({"byol": [noisy(2, 2)]}, "b", data="d2")
    rows = [row for row in build_leaderboard([first, second]).rows if row.metric == "auroc"]
    assert [row.rank for row in rows] == [1, 1]
    assert [row.dataset for row in rows] == ["d@d1", "d@d2"]


def test_one_method_under_two_settings_is_not_averaged(write_run: Callable[..., Path]):
    first = write_run({"lcd": [noisy(1, 1)]}, "a", gamma=0.005)
    second = write_run({"lcd": [noisy(3, 2)]}, "b", gamma=0.5)
    rows = [row for row in build_leaderboard([first, second]).rows if row.metric == "auroc"]
    assert len({row.method for row in rows}) == 2
    assert all(row.method.startswith("lcd@") and row.n_seeds == 1 for row in rows)


def test_one_method_in_two_folders_with_other_seeds_is_one(write_run: Callable[..., Path]):
    first = write_run({"lcd": [noisy(1, 1)]}, "a")
    second = write_run({"lcd": [noisy(1, 1), noisy(1, 2)]}, "b")
    assert rows_of(build_leaderboard([first, second]))["lcd"].n_seeds == 2


def test_unequal_numbers_of_seeds_are_told(write_run: Callable[..., Path]):
    board = build_leaderboard(
        [write_run({"lcd": [noisy(1, 1), noisy(1, 2)], "byol": [noisy(1, 3)]})]
    )
    assert "fewer than 2 seeds" in board.notes[0]
    assert "byol (1)" in board.notes[0]
    assert "Mean of 1 to 2 seeds" in to_markdown(board)


def test_a_missing_or_spoilt_cell_is_named_and_the_rest_shown(write_run: Callable[..., Path]):
    out = write_run({"lcd": [noisy(1, 1)], "byol": [noisy(1, 2)]})
    first, second = sorted((out / "evaluate").iterdir())
    (first / "result.json").unlink()
    (second / "predictions.npz").write_bytes(b"nonsense")
    board = build_leaderboard([out])
    assert board.rows == ()
    assert [cell.status for cell in board.unfinished] == ["missing", "missing"]
    assert "no results yet" in to_markdown(board)


def test_a_folder_without_a_plan(tmp_path: Path):
    with pytest.raises(DataError, match="holds no results"):
        build_leaderboard([tmp_path])


def test_hostile_names_stay_text(write_run: Callable[..., Path]):
    board = build_leaderboard([write_run({"=cmd|' /C calc'!A0": [noisy(1, 1)]})])
    line = to_csv(board).splitlines()[1]
    assert line.startswith("'=cmd")
    board = build_leaderboard([write_run({"<script>a|b": [noisy(1, 1)]}, "other")])
    markdown = to_markdown(board)
    assert "<script>" not in markdown
    assert "a\\|b" in markdown
