"""The statistics of the leaderboard, on results written for the purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import friedmanchisquare
from sklearn.metrics import average_precision_score, roc_auc_score

from lcd_plugin.cli.tables import print_board
from lcd_plugin.errors import DataError
from lcd_plugin.report.exports import to_csv, to_markdown
from lcd_plugin.report.figures import assign_looks, series_of, training_panels
from lcd_plugin.report.leaderboard import build_leaderboard
from lcd_plugin.report.model import Leaderboard, Place, Row
from lcd_plugin.report.page import render_page


def rows_of(board: Leaderboard, metric: str = "auroc") -> dict[str, Row]:
    return {row.method: row for row in board.rows if row.metric == metric}


def test_means_are_those_of_scikit_learn(runs: Any):
    scores = [runs.noisy(1.0, 1), runs.noisy(1.0, 2), runs.noisy(1.0, 3)]
    board = build_leaderboard([runs.write({"lcd": scores})])
    auroc = [roc_auc_score(runs.TARGETS, s, average="macro") for s in scores]
    row = rows_of(board)["lcd"]
    assert row.mean == pytest.approx(np.mean(auroc))
    assert row.seed_std == pytest.approx(np.std(auroc, ddof=1))
    auprc = [average_precision_score(runs.TARGETS, s, average="macro") for s in scores]
    assert rows_of(board, "auprc")["lcd"].mean == pytest.approx(np.mean(auprc))
    mi = np.mean([roc_auc_score(runs.TARGETS[:, 0], s[:, 0]) for s in scores])
    assert row.per_class["MI"] == pytest.approx(mi)
    assert row.pretrain_wall_s == pytest.approx(11.0)


def test_interval_against_a_plain_bootstrap_over_patients(runs: Any):
    score = runs.noisy(1.0, 1)
    row = rows_of(build_leaderboard([runs.write({"lcd": [score]})]))["lcd"]
    rng = np.random.default_rng(7)
    draws = []
    for _ in range(1000):
        drawn = rng.integers(0, runs.N // 2, runs.N // 2)
        records = np.concatenate([2 * drawn, 2 * drawn + 1])
        draws.append(roc_auc_score(runs.TARGETS[records], score[records], average="macro"))
    low, high = np.percentile(draws, [2.5, 97.5])
    assert row.ci_low == pytest.approx(low, abs=0.008)
    assert row.ci_high == pytest.approx(high, abs=0.008)


def test_the_same_predictions_are_tied_and_a_clear_lead_is_not(runs: Any):
    same = runs.noisy(1.0, 1)
    scores = {
        "lcd": [runs.noisy(3.0, 5)],
        "byol": [same],
        "simclr": [same],
        "random": [runs.noisy(0.0, 9)],
    }
    rows = rows_of(build_leaderboard([runs.write(scores)]))
    assert rows["lcd"].rank == 1
    assert rows["lcd"].tied_with == ()
    assert rows["byol"].rank == rows["simclr"].rank == 2
    assert rows["byol"].tied_with == ("simclr",)
    assert rows["random"].rank == 4
    assert rows["byol"].beats_random is True
    assert rows["random"].beats_random is None


def test_what_does_not_beat_random_is_said(runs: Any):
    board = build_leaderboard(
        [runs.write({"lcd": [runs.noisy(0, 1)], "random": [runs.noisy(0, 2)]})]
    )
    assert rows_of(board)["lcd"].beats_random is False
    assert "Not shown to beat a random encoder: lcd" in to_markdown(board)


def naive_holm(p_values: dict[str, float]) -> dict[str, float]:
    """Holm's correction, step by step."""
    corrected, largest = {}, 0.0
    for done, name in enumerate(sorted(p_values, key=lambda n: p_values[n])):
        largest = max(largest, min(1.0, (len(p_values) - done) * p_values[name]))
        corrected[name] = largest
    return corrected


def against_random(board: Any, name: str) -> tuple[float, float, bool]:
    """p and corrected p of a line's pair with `random`, and whether it is the better one."""
    (pair,) = (p for p in board.pairs if p.metric == "auroc" and {p.a, p.b} == {name, "random"})
    return pair.p, pair.p_holm, pair.a == name


def test_whether_a_line_beats_random_does_not_depend_on_pairs_of_others(runs: Any):
    """What is corrected for is the number of lines that are asked about, and not all pairs."""
    strengths = {"lcd": 0.42, **{f"m{i}": 0.1 * i for i in range(9)}, "random": 0.0}
    scores = {name: [runs.noisy(s, i)] for i, (name, s) in enumerate(strengths.items())}
    board = build_leaderboard([runs.write(scores)])
    rows = rows_of(board)
    lines = [name for name in strengths if name != "random"]
    corrected = naive_holm({name: against_random(board, name)[0] for name in lines})
    for name in lines:
        assert rows[name].p_random == pytest.approx(corrected[name])
        _, all_pairs, is_better = against_random(board, name)
        assert rows[name].beats_random is (corrected[name] < 0.05 and is_better)
        # Told apart among all pairs means told apart here, and the other way round it need not.
        assert corrected[name] <= all_pairs
    both = [n for n in lines if rows[n].beats_random and "random" in rows[n].tied_with]
    assert both, "no line shows the difference"
    assert rows["random"].p_random is None


def test_training_from_scratch_must_beat_every_random(runs: Any):
    strong, weak = {"random": [runs.noisy(2.0, 1)]}, {"random": [runs.noisy(0.0, 2)]}
    scratch = {"supervised": [runs.noisy(1.0, 3)], "lcd": [runs.noisy(4.0, 4)]}
    folders = [
        runs.write(weak | scratch, "a", source="d"),
        runs.write(strong, "b", source="x"),
    ]
    board = build_leaderboard(folders)
    rows = {(r.method, r.pretrain_dataset): r for r in board.rows if r.metric == "auroc"}
    assert rows["supervised", ""].beats_random is False
    assert rows["lcd", "d"].beats_random is True


def test_each_line_names_the_supervised_of_its_own_data(runs: Any):
    scores = {"lcd": [runs.noisy(1, 1)], "supervised": [runs.noisy(1, 2)]}
    folders = [
        runs.write(scores, "a", recipe="paper"),
        runs.write(scores, "b", recipe="best", data="d2"),
        runs.write({"lcd": [runs.noisy(1, 4)]}, "c", recipe="far", data="d3"),
    ]
    rows = {row.place: row for row in build_leaderboard(folders).rows if row.metric == "ece"}
    assert {(p.method, p.recipe): row.compared_supervised for p, row in rows.items()} == {
        ("lcd", "paper"): "supervised (paper)", ("lcd", "best"): "supervised (best)",
        ("lcd", "far"): None, ("supervised", "paper"): None, ("supervised", "best"): None,
    }  # fmt: skip


def test_pairing_finds_what_two_intervals_hide(runs: Any):
    """Two methods that err on the same records: intervals overlap, the difference is real."""
    base = runs.noisy(1.0, 1)
    better = base + np.float32(0.2) * runs.TARGETS
    rows = rows_of(build_leaderboard([runs.write({"lcd": [better], "byol": [base]})]))
    assert rows["byol"].ci_high > rows["lcd"].ci_low
    assert rows["lcd"].tied_with == ()
    assert rows["byol"].rank == 2


def test_a_method_pretrained_on_two_datasets_has_a_row_for_each(runs: Any):
    """Seeds are averaged, and ranks given, by method and pretraining dataset."""
    same, weak = runs.noisy(1.0, 1), runs.noisy(0.0, 9)
    own = {
        "lcd": [runs.noisy(3.0, 5), runs.noisy(3.0, 6)],
        "random": [weak],
        "supervised": [runs.noisy(1.0, 7)],
    }
    foreign = {"lcd": [same, same], "byol": [same], "random": [runs.noisy(1.5, 8)]}
    folders = [runs.write(own, "a", source="d"), runs.write(foreign, "b", source="x")]
    board = build_leaderboard(folders)
    rows = {(r.method, r.pretrain_dataset): r for r in board.rows if r.metric == "auroc"}
    assert set(rows) == {
        ("lcd", "d"), ("random", "d"), ("supervised", ""),
        ("lcd", "x"), ("byol", "x"), ("random", "x"),
    }  # fmt: skip
    assert {r.dataset for r in rows.values()} == {"d"}
    assert rows["lcd", "d"].n_seeds == rows["lcd", "x"].n_seeds == 2
    auroc = np.mean([roc_auc_score(runs.TARGETS, s, average="macro") for s in own["lcd"]])
    assert rows["lcd", "d"].mean == pytest.approx(auroc)
    assert rows["lcd", "d"].rank == 1
    assert rows["lcd", "x"].rank == rows["byol", "x"].rank
    assert rows["byol", "x"].tied_with == ("lcd (pretrained on x)", "supervised")
    # Each against the random encoder that was calibrated on the same records.
    assert rows["lcd", "d"].beats_random is True
    assert rows["lcd", "x"].beats_random is False
    assert rows["supervised", ""].beats_random is False  # it beats one of two
    assert rows["random", "x"].beats_random is None
    assert rows["lcd", "d"].compared_random == "random (calibrated on d)"
    assert rows["lcd", "x"].compared_random == "random (calibrated on x)"
    assert rows["supervised", ""].compared_random == "random (calibrated on x)"  # the better one
    assert rows["random", "x"].compared_random is None
    assert "byol (pretrained on x) (1)" in board.notes[0]


def test_every_form_of_the_leaderboard_tells_the_pretraining_dataset(
    runs: Any, capsys: pytest.CaptureFixture[str]
):
    scores = {"lcd": [runs.noisy(0.0, 1)], "random": [runs.noisy(0.0, 2)]}
    board = build_leaderboard([runs.write(scores, source="x")])
    markdown = to_markdown(board)
    assert "| lcd (pretrained on x) |" in markdown
    assert "| random (calibrated on x) |" in markdown
    assert "beat a random encoder: lcd (pretrained on x)." in markdown
    line = dict(zip(*(text.split(",") for text in to_csv(board).splitlines()[:2]), strict=True))
    assert (line["pretrain_dataset"], line["dataset"]) == ("x", "d")
    print_board(board)
    printed = capsys.readouterr().out
    assert " lcd (pretrained on x) " in printed
    assert "beat a random encoder: lcd (pretrained on x)" in printed


@pytest.mark.parametrize("source", [None, "d"])
def test_a_method_pretrained_on_what_is_scored_is_called_by_its_name(runs: Any, source: str | None):
    """Also under `d@version`, and in plans from before the pretraining dataset was written."""
    scores = {"lcd": [runs.noisy(1.0, 1)], "random": [runs.noisy(0.0, 2)]}
    folders = [
        runs.write(scores, "a", source=source),
        runs.write(scores, "b", targets=runs.TARGETS[:, ::-1], data="d2"),
    ]
    for outs in (folders[:1], folders):
        board = build_leaderboard(outs)
        assert {row.pretrain_dataset for row in board.rows} == {"d"}
        assert "pretrained on" not in to_markdown(board)


def test_rare_classes_are_named_and_left_out_of_the_second_mean(runs: Any):
    targets = runs.TARGETS.copy()
    targets[9:, 1] = 0
    board = build_leaderboard([runs.write({"lcd": [runs.noisy(1, 1)]}, targets=targets)])
    row = rows_of(board)["lcd"]
    assert row.rare_classes == ("HYP",)
    assert row.mean_without_rare == pytest.approx(row.per_class["MI"])


def test_no_second_mean_where_all_classes_are_rare(runs: Any):
    targets = runs.TARGETS.copy()
    targets[18:] = 0
    assert (targets.sum(axis=0) < 10).all()
    row = rows_of(build_leaderboard([runs.write({"lcd": [runs.noisy(1, 1)]}, targets=targets)]))[
        "lcd"
    ]
    assert row.rare_classes == runs.CLASSES
    assert np.isfinite(row.mean)
    assert np.isnan(row.mean_without_rare)


def test_a_class_that_the_test_lacks_is_no_number(runs: Any):
    targets = runs.TARGETS.copy()
    targets[:, 1] = 0
    row = rows_of(build_leaderboard([runs.write({"lcd": [runs.noisy(1, 1)]}, targets=targets)]))[
        "lcd"
    ]
    assert set(row.per_class) == {"MI"}
    assert row.mean == pytest.approx(row.per_class["MI"])


def test_two_folders_are_put_together_and_their_machines_told(runs: Any):
    first = runs.write({"lcd": [runs.noisy(1, 1)]}, "a")
    second = runs.write({"byol": [runs.noisy(1, 2)]}, "b", machine="two")
    board = build_leaderboard([first, second])
    assert set(rows_of(board)) == {"lcd", "byol"}
    assert "2 machines" in board.notes[0]


def test_other_test_records_under_the_same_name_are_another_comparison(runs: Any):
    first = runs.write({"lcd": [runs.noisy(1, 1)]}, "a")
    targets = runs.TARGETS.copy()
    targets[0, 0] = 1 - targets[0, 0]
    second = runs.write({"byol": [runs.noisy(2, 2)]}, "b", targets=targets)
    rows = [row for row in build_leaderboard([first, second]).rows if row.metric == "auroc"]
    assert [row.rank for row in rows] == [1, 1]
    assert len({row.dataset for row in rows}) == 2
    assert all(row.dataset.startswith("d@") for row in rows)


def test_recipes_with_other_normalisation_stand_in_one_comparison(runs: Any):
    """The same test records under two data fingerprints, each against its own `random`."""
    strong, weak, middle = runs.noisy(3.0, 1), runs.noisy(0.0, 2), runs.noisy(1.5, 3)
    own = runs.write({"lcd": [strong], "random": [weak]}, "a", recipe="paper", data="d1")
    other = {"lcd": [weak], "random": [middle]}
    best = runs.write(other, "b", recipe="best", data="d2", gamma=0.5)
    board = build_leaderboard([own, best])
    rows = {row.place: row for row in board.rows if row.metric == "auroc"}
    assert {row.dataset for row in rows.values()} == {"d"}
    assert rows[Place("lcd", "paper", "d")].rank == 1
    assert rows[Place("random", "best", "d")].rank == 2
    assert rows[Place("lcd", "paper", "d")].beats_random is True
    assert rows[Place("lcd", "best", "d")].beats_random is False
    assert rows[Place("lcd", "best", "d")].tied_with == ("random (paper)",)
    assert board.recipes == {"paper": {"gamma": 0.005}, "best": {"gamma": 0.5}}
    assert "| lcd (best) |" in to_markdown(board)
    assert {curve.recipe for curve in board.curves} == {"paper", "best"}


def test_a_recipe_without_a_random_of_its_own_is_judged_by_one_of_equal_data(runs: Any):
    first = {"lcd": [runs.noisy(1.0, 1)], "random": [runs.noisy(0.0, 2)]}
    folders = [runs.write(first, "a", recipe="paper")]
    folders.append(runs.write({"lcd": [runs.noisy(2.0, 3)]}, "b", recipe="best", gamma=0.5))
    folders.append(runs.write({"lcd": [runs.noisy(2.0, 4)]}, "c", recipe="far", data="d2"))
    board = build_leaderboard(folders)
    rows = {row.place: row for row in board.rows if row.metric == "auroc"}
    assert rows[Place("lcd", "best", "d")].beats_random is True
    assert rows[Place("lcd", "best", "d")].compared_random == "random"
    assert rows[Place("lcd", "far", "d")].beats_random is None
    assert rows[Place("lcd", "far", "d")].compared_random is None
    # The one `random` needs no recipe in its name.
    assert "| random |" in to_markdown(board)
    assert "| lcd (far) |" in to_markdown(board)


def test_the_calibration_error_describes_and_is_not_tested(runs: Any):
    truth = runs.TARGETS.astype(np.float32)
    calibrated = [np.where(truth == 1, at, 1 - at).astype(np.float32) for at in (0.9, 0.88)]
    off = np.where(truth == 1, 0.55, 0.45).astype(np.float32)
    scores = {"lcd": [off, off], "byol": calibrated, "random": [off, off]}
    board = build_leaderboard([runs.write(scores)])
    rows = rows_of(board, "ece")
    assert rows["byol"].mean == pytest.approx(0.11, abs=1e-6)
    assert rows["byol"].seed_std == pytest.approx(0.02 / np.sqrt(2), abs=1e-6)
    assert rows["lcd"].mean == pytest.approx(0.45, abs=1e-6)
    assert list(rows) == ["byol", "lcd", "random"]  # the lowest first
    for row in rows.values():
        assert np.isnan([row.ci_low, row.ci_high]).all()
        assert (row.rank, row.tied_with) == (None, ())
        assert (row.beats_random, row.compared_random) == (None, None)
    assert {pair.metric for pair in board.pairs} == {"auroc", "auprc", "f1", "balanced_accuracy"}
    line = next(
        row for row in json.loads(board.model_dump_json())["rows"] if row["metric"] == "ece"
    )
    assert line["ci_low"] is line["ci_high"] is line["rank"] is None
    assert "nan" not in to_csv(board)


def test_spread_over_label_subsets_is_apart_from_that_over_seeds(runs: Any):
    scores = [[runs.noisy(1.0, 10 * seed + i) for i in range(3)] for seed in range(2)]
    row = rows_of(build_leaderboard([runs.write({"lcd": scores}, fraction=0.1)]))["lcd"]
    auroc = np.array(
        [[roc_auc_score(runs.TARGETS, s, average="macro") for s in seed] for seed in scores]
    )
    assert row.n_seeds == 2
    assert row.mean == pytest.approx(auroc.mean())
    assert row.seed_std == pytest.approx(auroc.mean(axis=1).std(ddof=1))
    assert row.label_seed_std == pytest.approx(np.sqrt(auroc.var(axis=1, ddof=1).mean()))
    assert row.pretrain_wall_s == pytest.approx(10.5)  # each pretraining once


class TestLabelSubsets:
    def _note(self, runs: Any, subsets: dict[str, list[int]], **more: Any) -> str:
        """The note of a run with so many label subsets at each pretraining seed."""
        scores = {
            name: [[runs.noisy(1, 9 * seed + i) for i in range(n)] for seed, n in enumerate(counts)]
            for name, counts in subsets.items()
        }
        notes = build_leaderboard([runs.write(scores, **{"fraction": 0.1} | more)]).notes
        return next((note for note in notes if "label subsets" in note), "")

    def test_lines_on_others_are_told(self, runs: Any):
        note = self._note(runs, {"lcd": [2, 2], "simclr": [2, 2], "byol": [2, 1]})
        assert note.endswith("with methods: byol (subset 0 67%, subset 1 33%).")

    def test_so_is_training_from_scratch(self, runs: Any):
        note = self._note(runs, {"lcd": [3], "supervised": [2]})
        assert note.endswith("with methods: supervised (subset 0 50%, subset 1 50%).")

    def test_equal_subsets_need_no_note(self, runs: Any):
        assert not self._note(runs, {"lcd": [2, 2], "byol": [2]})
        assert not self._note(runs, {"lcd": [2, 2], "byol": [1]}, fraction=1.0, name="all")

    def test_subsets_in_turns_count_as_all_of_them(self, runs: Any):
        """Training from scratch takes one subset a seed, each as often as the probes do."""
        scores = {
            "lcd": [[runs.noisy(1, 3 * seed + i) for i in range(3)] for seed in range(3)],
            "supervised": [runs.noisy(1, seed) for seed in range(3)],
        }
        board = build_leaderboard([runs.write(scores, fraction=0.1)])
        assert not any("label subsets" in note for note in board.notes)


class TestTrainingFromScratch:
    """It stands beside the probes of its own dataset, under settings like theirs."""

    def _tables(self, *outs: Path) -> dict[tuple[str, str], set[str]]:
        found: dict[tuple[str, str], set[str]] = {}
        for row in build_leaderboard(list(outs)).rows:
            found.setdefault((row.dataset, row.protocol), set()).add(row.method)
        return found

    def test_only_in_tables_that_its_dataset_has(self, runs: Any):
        scores = {"lcd": [runs.noisy(1, 1)], "supervised": [runs.noisy(1, 2)]}
        both = {"lcd", "supervised"}
        assert self._tables(
            runs.write(scores, "a", dataset="x", protocol="linear"),
            runs.write(scores, "b", dataset="y", protocol="finetune"),
            runs.write(scores, "c", dataset="y", protocol="knn"),
        ) == {("x", "linear"): both, ("y", "finetune"): both, ("y", "knn"): both}

    def test_with_the_papers_settings_beside_the_papers_protocols(self, runs: Any):
        lcd, own, paper = ([runs.noisy(1, i)] for i in range(3))
        out = [
            runs.write({"lcd": lcd, "supervised": own}, "a", protocol="linear"),
            runs.write({"lcd": lcd, "supervised": paper}, "b", protocol="linear-paper"),
        ]
        assert self._tables(*out) == {
            ("d", "linear"): {"lcd", "supervised"},
            ("d", "linear-paper"): {"lcd", "supervised"},
        }
        means = {
            row.protocol: row.mean
            for row in build_leaderboard(out).rows
            if row.method == "supervised" and row.metric == "auroc"
        }
        for protocol, scores in (("linear", own), ("linear-paper", paper)):
            expected = roc_auc_score(runs.TARGETS, scores[0], average="macro")
            assert means[protocol] == pytest.approx(expected)

    def test_one_kind_does_not_stand_in_for_the_other(self, runs: Any):
        tables = self._tables(
            runs.write({"lcd": [runs.noisy(1, 1)]}, "a", protocol="linear-paper"),
            runs.write({"supervised": [runs.noisy(1, 2)]}, "b"),
        )
        assert tables == {("d", "linear-paper"): {"lcd"}, ("d", "scratch"): {"supervised"}}

    def test_alone(self, runs: Any):
        scores = {"supervised": [runs.noisy(1, 1)]}
        outs = [runs.write(scores, p, protocol=p) for p in ("linear", "finetune-paper")]
        assert self._tables(*outs) == {
            ("d", "scratch"): {"supervised"}, ("d", "scratch-paper"): {"supervised"},
        }  # fmt: skip


class TestLinesWithoutAllLabels:
    @pytest.fixture
    def board(self, runs: Any) -> Leaderboard:
        few = {"lcd": [runs.noisy(2.0, 1)], "byol": [runs.noisy(2.0, 2)]}
        return build_leaderboard(
            [
                runs.write(few | {"vicreg": [runs.noisy(4.0, 3)]}, "a", fraction=0.1),
                runs.write(few, "b", fraction=0.5),
            ]
        )

    def test_stand_below_the_others_without_a_rank(self, board: Leaderboard):
        lines = [line for line in to_markdown(board).splitlines() if line.startswith("| ")]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert cells[0][0] == "rank at 50%"
        assert {cells[1][1], cells[2][1]} == {"lcd", "byol"}
        assert [cells[1][0], cells[2][0]] == ["1=", "1="]
        assert cells[3][:2] == ["-", "vicreg"]
        vicreg = next(r for r in board.rows if r.method == "vicreg" and r.metric == "auroc")
        assert f"**{vicreg.mean:.3f}** [" in cells[3][2]  # the best at this fraction
        assert cells[3][3] == "-"

    def test_and_so_in_the_terminal(self, board: Leaderboard, capsys: pytest.CaptureFixture[str]):
        print_board(board)
        printed = capsys.readouterr().out
        assert "at 50%" in printed
        assert next(line for line in printed.splitlines() if " vicreg " in line).strip()[0] == "-"


def test_what_the_tests_hold_fixed_is_said(runs: Any):
    scores = {"lcd": [runs.noisy(1, 1), runs.noisy(1, 2)], "byol": [runs.noisy(1, 3)]}
    board = build_leaderboard([runs.write(scores)])
    text = to_markdown(board)
    assert "over test patients, corrected after Holm over all pairs of one fraction" in text
    assert "holds the trained encoders and label subsets as they are" in text
    rows = rows_of(board)
    for line in text.splitlines():
        if line.startswith(("| 1= | lcd", "| 1 | lcd")):
            assert f"| {rows['lcd'].seed_std:.3f} |" in line
        if "| byol |" in line:
            assert "] | - |" in line  # one seed has no spread


def test_one_patient_has_no_interval(runs: Any, capsys: pytest.CaptureFixture[str]):
    scores, patients = {"lcd": [runs.noisy(1, 1)]}, np.full(runs.N, "p")
    board = build_leaderboard([runs.write(scores, patients=patients)])
    row = rows_of(board)["lcd"]
    assert np.isnan([row.ci_low, row.ci_high]).all()
    assert f"| {row.mean:.3f} |" in to_markdown(board)
    print_board(board)
    assert "nan" not in capsys.readouterr().out


def test_leads_are_compared_among_themselves(runs: Any):
    folders = [
        runs.write({"lcd": [runs.noisy(3.0, 1)]}, "a"),
        runs.write({"lcd": [runs.noisy(1.0, 2)]}, "b", leads="limb"),
    ]
    board = build_leaderboard(folders)
    rows = [row for row in board.rows if row.metric == "auroc"]
    assert [(row.leads, row.rank, row.method) for row in rows] == [
        ("all", 1, "lcd"),
        ("limb", 1, "lcd"),
    ]
    assert "macro AUROC, linear, e, leads limb" in to_markdown(board)


def test_seven_fractions_fit_in_a_terminal(
    runs: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("COLUMNS", raising=False)  # workers of pytest-xdist have one
    fractions = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
    scores = {"lcd": [runs.noisy(1.0, 1)], "random": [runs.noisy(0.0, 2)]}
    folders = [
        runs.write(scores, f"{recipe}{f}", fraction=f, recipe=recipe, gamma=gamma, data=recipe)
        for f in fractions
        for recipe, gamma in (("paper", 0.005), ("best", 0.5))
    ]
    board = build_leaderboard(folders)
    print_board(board)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 100
    line = next(line for line in printed.splitlines() if " lcd (best) " in line)
    assert line.count(f"{rows_of(board)['lcd'].mean:.3f}") == len(fractions)
    assert "…" not in printed


def test_average_ranks_over_datasets(runs: Any):
    strengths = {"lcd": 3.0, "byol": 1.0, "simclr": 0.0}
    scores = {m: [runs.noisy(s, i)] for i, (m, s) in enumerate(strengths.items())}
    folders = [runs.write(scores, name, dataset=name) for name in ("a", "b")]
    more = scores | {"vicreg": [runs.noisy(2.0, 3)]}
    folders.append(runs.write(more, "c", dataset="c"))
    board = build_leaderboard(folders)
    (ranks,) = board.ranks
    assert ranks.comparisons == ("a / t", "b / t", "c / t")
    assert ranks.names == ("lcd", "byol", "simclr")  # vicreg is in one of them only
    assert ranks.average_rank == (1.0, 2.0, 3.0)
    assert (ranks.label_fraction, ranks.friedman_p) == (1.0, None)
    assert ranks.left_out == ("vicreg",)
    text = to_markdown(board)
    assert "lcd 1.00, byol 2.00, simclr 3.00" in text
    assert "Not in all of them: vicreg." in text
    assert "So few comparisons tell hardly anything apart." in text
    assert "share its records" not in text


@pytest.mark.parametrize(("datasets", "methods"), [(2, 4), (4, 2)])
def test_few_lines_or_comparisons_have_no_average_ranks(runs: Any, datasets: int, methods: int):
    scores = {f"m{i}": [runs.noisy(1.0, i)] for i in range(methods)}
    folders = [runs.write(scores, f"d{i}", dataset=f"d{i}") for i in range(datasets)]
    assert build_leaderboard(folders).ranks == ()


def test_average_ranks_over_many_datasets(runs: Any):
    strengths = {"lcd": 3.0, "byol": 2.0, "simclr": 1.0}
    folders = [
        runs.write({m: [runs.noisy(s, 3 * i + j)] for j, (m, s) in enumerate(strengths.items())},
                   str(i), dataset=f"d{i}")
        for i in range(5)
    ]  # fmt: skip
    board = build_leaderboard(folders)
    (ranks,) = board.ranks
    means = {(r.dataset, r.method): r.mean for r in board.rows if r.metric == "auroc"}
    columns = [[means[f"d{i}", method] for i in range(5)] for method in strengths]
    assert ranks.friedman_p == pytest.approx(friedmanchisquare(*columns).pvalue)
    assert "So few comparisons" not in to_markdown(board)
    two_tasks = ranks.model_copy(update={"comparisons": ("d0 / a", "d0 / b", "x / a")})
    text = to_markdown(board.model_copy(update={"ranks": (two_tasks,)}))
    assert "Tasks of one dataset share its records, so the tests are too sure." in text


def test_scores_that_are_not_a_number_cost_their_own_cell_only(runs: Any):
    bad = runs.noisy(1, 2)
    bad[0, 0] = np.nan
    board = build_leaderboard([runs.write({"lcd": [runs.noisy(1, 1)], "byol": [bad]})])
    assert set(rows_of(board)) == {"lcd"}
    assert "not a number" in board.unfinished[0].reason


def test_a_plan_from_before_recipes_is_still_read(runs: Any):
    out = runs.write({"lcd": [runs.noisy(1, 1)], "random": [runs.noisy(0, 2)]})
    plan = json.loads((out / "plan.json").read_text())
    del plan["recipes"]
    for cell in (*plan["pretrain"], *plan["evaluate"]):
        for name in ("recipe", "leads", "label_seed", "snapshot"):
            del cell[name]
    (out / "plan.json").write_text(json.dumps(plan))
    row = rows_of(build_leaderboard([out]))["lcd"]
    assert (row.recipe, row.leads, row.label_seed_std) == ("", "all", None)
    assert row.beats_random is True


def test_one_method_under_two_settings_is_not_averaged(runs: Any):
    first = runs.write({"lcd": [runs.noisy(1, 1)]}, "a", gamma=0.005)
    second = runs.write({"lcd": [runs.noisy(3, 2)]}, "b", gamma=0.5)
    board = build_leaderboard([first, second])
    rows = [row for row in board.rows if row.metric == "auroc"]
    assert len({row.method for row in rows}) == 2
    assert all(row.method.startswith("lcd@") and row.n_seeds == 1 for row in rows)
    [note] = [note for note in board.notes if "under different settings" in note]
    assert "gamma (0.005, 0.5)" in note or "gamma (0.5, 0.005)" in note
    assert all(row.method in note for row in rows)
    panels = training_panels(board.curves, assign_looks(board.rows, board.curves))
    assert {panel.name for panel in panels} == {"lcd (a)", "lcd (b)"}
    assert all(len(panel.curves) == 1 for panel in panels)
    assert "1 pretraining method " in " ".join(render_page(board).split())


def test_a_setting_has_one_name_at_all_label_fractions(runs: Any):
    folders = [
        runs.write({"lcd": [runs.noisy(1, 1)]}, f"{gamma}{f}", gamma=gamma, fraction=f)
        for gamma in (0.005, 0.5)
        for f in (0.1, 1.0)
    ]
    rows = [row for row in build_leaderboard(folders).rows if row.metric == "auroc"]
    assert len(rows) == 4
    assert len({row.method for row in rows}) == 2


def test_recipes_of_a_method_share_its_colour_and_differ_in_their_marker(runs: Any):
    scores = {"lcd": [runs.noisy(1, 1)], "byol": [runs.noisy(1, 2)], "random": [runs.noisy(0, 3)]}
    folders = [runs.write(scores, "a", recipe="paper")]
    folders.append(runs.write({"lcd": [runs.noisy(1, 4)]}, "b", recipe="best", gamma=0.5))
    rows = build_leaderboard(folders).rows
    series = series_of(rows, assign_looks(rows))
    paper, best = series[Place("lcd", "paper", "d")], series[Place("lcd", "best", "d")]
    assert (paper.name, best.name) == ("lcd (paper)", "lcd (best)")
    assert paper.look.css == best.look.css
    assert paper.look.shape != best.look.shape
    assert series[Place("random", "paper", "d")].name == "random"


def test_one_method_in_two_folders_with_other_seeds_is_one(runs: Any):
    first = runs.write({"lcd": [runs.noisy(1, 1)]}, "a")
    second = runs.write({"lcd": [runs.noisy(1, 1), runs.noisy(1, 2)]}, "b")
    assert rows_of(build_leaderboard([first, second]))["lcd"].n_seeds == 2


def test_unequal_numbers_of_seeds_are_told(runs: Any):
    board = build_leaderboard(
        [runs.write({"lcd": [runs.noisy(1, 1), runs.noisy(1, 2)], "byol": [runs.noisy(1, 3)]})]
    )
    assert "fewer than 2 seeds" in board.notes[0]
    assert "byol (1)" in board.notes[0]
    assert "Mean of 1 to 2 seeds" in to_markdown(board)


def test_a_missing_or_spoilt_cell_is_named_and_the_rest_shown(runs: Any):
    out = runs.write({"lcd": [runs.noisy(1, 1)], "byol": [runs.noisy(1, 2)]})
    first, second = sorted((out / "evaluate").iterdir())
    (first / "result.json").unlink()
    (second / "predictions.npz").write_bytes(b"nonsense")
    board = build_leaderboard([out])
    assert board.rows == ()
    assert {cell.status for cell in board.unfinished} == {"missing", "unreadable"}
    assert "no results yet" in to_markdown(board)


def test_a_folder_without_a_plan(tmp_path: Path):
    with pytest.raises(DataError, match="holds no results"):
        build_leaderboard([tmp_path])


def test_hostile_names_stay_text(runs: Any):
    board = build_leaderboard([runs.write({"=cmd|' /C calc'!A0": [runs.noisy(1, 1)]})])
    line = to_csv(board).splitlines()[1]
    assert line.startswith("'=cmd")
    board = build_leaderboard([runs.write({"<script>a|b": [runs.noisy(1, 1)]}, "other")])
    markdown = to_markdown(board)
    assert "<script>" not in markdown
    assert "a\\|b" in markdown
