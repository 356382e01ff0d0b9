"""Two runs against each other: numbers, matching, what else differs, time and the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata, ttest_1samp
from sklearn.metrics import f1_score, roc_auc_score

from lcd_plugin.bench.results import EvaluateResult, read_result, write_result
from lcd_plugin.bench.toml import dump_toml
from lcd_plugin.cli.comparison import print_comparison
from lcd_plugin.errors import ConfigError, DataError
from lcd_plugin.report.compare import RunComparison, compare_runs
from lcd_plugin.report.compare.model import Change, Changes, LineDifference
from lcd_plugin.report.leaderboard import build_leaderboard


def only(comparison: RunComparison) -> LineDifference:
    (line,) = comparison.lines
    return line


def auroc(targets: np.ndarray, scores: np.ndarray) -> float:
    return float(roc_auc_score(targets, scores, average="macro"))


def by_ranks(targets: np.ndarray, scores: np.ndarray) -> float:
    """Macro AUROC from rank sums, quicker than scikit-learn's (Mann & Whitney 1947)."""
    ranks, positives = rankdata(scores, axis=0), targets.sum(axis=0)
    sums = (ranks * targets).sum(axis=0) - positives * (positives + 1) / 2
    return float((sums / (positives * (len(targets) - positives))).mean())


class TestNumbers:
    def test_are_those_of_scikit_learn(self, runs: Any):
        a, b = ([runs.noisy(s, i) for i in seeds] for s, seeds in ((1, (1, 2)), (2, (3, 4))))
        line = only(compare_runs(runs.write({"lcd": a}, "a"), runs.write({"lcd": b}, "b", gamma=1)))
        own = [[auroc(runs.TARGETS, s) for s in side] for side in (a, b)]
        assert line.mean_a == pytest.approx(np.mean(own[0]))
        assert line.mean_b == pytest.approx(np.mean(own[1]))
        assert line.difference == pytest.approx(line.mean_b - line.mean_a)
        assert line.seed_std == pytest.approx(np.std(np.subtract(*own), ddof=1))
        assert (line.seeds, line.n_pairs, line.verdict) == ((0, 1), 2, "better")
        assert not line.same_settings

    def test_interval_against_a_plain_bootstrap_over_patients(self, runs: Any):
        a = runs.noisy(1, 1)
        b = (a + 0.5 * np.random.default_rng(3).normal(size=a.shape)).astype("f4")
        outs = runs.write({"lcd": [a]}, "a"), runs.write({"lcd": [b]}, "b", gamma=1)
        line = only(compare_runs(*outs))
        rng = np.random.default_rng(7)
        draws = []
        for _ in range(1000):
            drawn = rng.integers(0, runs.N // 2, runs.N // 2)
            records = np.concatenate([2 * drawn, 2 * drawn + 1])
            targets = runs.TARGETS[records]
            draws.append(by_ranks(targets, b[records]) - by_ranks(targets, a[records]))
        low, high = np.percentile(draws, [2.5, 97.5])
        assert line.ci_low == pytest.approx(low, abs=0.006)
        assert line.ci_high == pytest.approx(high, abs=0.006)

    def test_are_those_of_the_leaderboard_for_two_lines_of_one_run(self, runs: Any):
        a, b = runs.noisy(1.3, 1), runs.noisy(1, 2)
        (pair,) = (
            p for p in build_leaderboard([runs.write({"x": [a], "y": [b]})]).pairs
            if p.metric == "auroc"
        )  # fmt: skip
        outs = runs.write({"lcd": [b]}, "a"), runs.write({"lcd": [a]}, "b", gamma=1)
        line = only(compare_runs(*outs))
        sign = 1 if pair.a == "x" else -1
        assert line.difference == pytest.approx(sign * pair.difference)
        ends = sorted(sign * end for end in (pair.ci_low, pair.ci_high))
        assert [line.ci_low, line.ci_high] == pytest.approx(ends)
        assert line.p == pytest.approx(pair.p, abs=0.02)

    def test_other_metrics(self, runs: Any):
        a, b = runs.noisy(1, 1), runs.noisy(1.5, 2)
        outs = runs.write({"lcd": [a]}, "a"), runs.write({"lcd": [b]}, "b", gamma=1)
        by_metric = {line.metric: line for line in compare_runs(*outs, ("f1", "auroc")).lines}
        assert set(by_metric) == {"f1", "auroc"}
        expected = f1_score(runs.TARGETS, b >= 0.5, average="macro")
        assert by_metric["f1"].mean_b == pytest.approx(expected)

    def test_holm_over_all_lines(self, runs: Any):
        names = ("byol", "lcd", "moco")
        outs = [
            runs.write(
                {n: [runs.noisy(strength, 9 * i + j)] for j, n in enumerate(names)}, str(i), gamma=i
            )
            for i, strength in enumerate((1, 1.1))
        ]
        lines = sorted(compare_runs(*outs).lines, key=lambda line: line.p or 0)
        least = [float(line.p or 0) * (3 - i) for i, line in enumerate(lines)]
        expected = np.minimum(np.maximum.accumulate(least), 1)
        assert [line.p_holm for line in lines] == pytest.approx(expected)

    def test_ece_is_not_tested(self, runs: Any):
        out = runs.write({"lcd": [runs.noisy(1, 1)]})
        with pytest.raises(ConfigError, match="cannot be compared by 'ece'"):
            compare_runs(out, out, ("ece",))


class TestMatching:
    def test_a_run_and_itself(self, runs: Any):
        out = runs.write({"lcd": [runs.noisy(1, 1)], "supervised": [runs.noisy(1, 2)]})
        comparison = compare_runs(out, out, fail_if_worse=0)
        assert [line.verdict for line in comparison.lines] == ["same", "same"]
        assert all(line.same_settings and line.p is None for line in comparison.lines)
        assert comparison.only_a == comparison.only_b == ()
        assert comparison.changes.model_dump(exclude={"notes"}) == {
            "suite": (), "settings": (), "environment": (), "data": (),
        }  # fmt: skip
        assert comparison.gate is not None
        assert comparison.gate.passed

    def test_by_key_where_the_recipe_is_called_otherwise(self, runs: Any):
        scores = {"lcd": [runs.noisy(1, 1)]}
        outs = runs.write(scores, "a"), runs.write(scores, "b", recipe="best")
        line = only(compare_runs(*outs))
        assert (line.recipe, line.verdict, line.same_settings) == ("best", "same", True)

    def test_recipes_are_not_mixed_up(self, runs: Any):
        outs = [
            runs.write({"lcd": [runs.noisy(1, i)]}, str(i), recipe=recipe, gamma=i)
            for i, recipe in enumerate(("paper", "best"))
        ]
        with pytest.raises(DataError, match="no score in common"):
            compare_runs(*outs)

    def test_only_seeds_of_both_are_compared_and_the_others_told(self, runs: Any):
        a, b = [runs.noisy(1, i) for i in range(3)], [runs.noisy(1, i) for i in (11, 12, 13)]
        outs = (
            runs.write({"lcd": a}, "a"),
            runs.write({"lcd": b}, "b", gamma=1, first_seed=1),
        )
        comparison = compare_runs(*outs)
        line = only(comparison)
        assert (line.seeds, line.seeds_only_a, line.seeds_only_b) == ((1, 2), (0,), (3,))
        assert line.mean_a == pytest.approx(np.mean([auroc(runs.TARGETS, s) for s in a[1:]]))
        assert line.mean_b == pytest.approx(np.mean([auroc(runs.TARGETS, s) for s in b[:2]]))
        assert (len(comparison.only_a), len(comparison.only_b)) == (1, 1)

    def test_without_a_common_seed_all_of_them_are(self, runs: Any):
        outs = (
            runs.write({"lcd": [runs.noisy(1, 1)]}, "a"),
            runs.write({"lcd": [runs.noisy(1, 2), runs.noisy(1, 3)]}, "b", first_seed=5),
        )
        line = only(compare_runs(*outs))
        assert (line.seeds, line.n_pairs, line.seed_std) == ((), 0, None)
        expected = np.mean([auroc(runs.TARGETS, runs.noisy(1, i)) for i in (2, 3)])
        assert line.mean_b == pytest.approx(expected)
        assert line.p is not None
        assert line.doubt == "no seed in common"
        assert "no seed is in both runs" in compare_runs(*outs, fail_if_worse=0.9).gate.notes[0]

    def test_the_order_of_records_and_classes_does_not_matter(self, runs: Any):
        a, b = runs.noisy(1, 1), runs.noisy(1.2, 2)
        order = np.random.default_rng(0).permutation(runs.N)
        plain = runs.write({"lcd": [a]}, "a"), runs.write({"lcd": [b]}, "b", gamma=1)
        mixed = runs.write(
            {"lcd": [b[order][:, ::-1]]}, "c", gamma=2,
            targets=runs.TARGETS[order][:, ::-1], patients=runs.PATIENTS[order],
        )  # fmt: skip
        folder = next((mixed / "evaluate").iterdir())
        result = read_result(folder, EvaluateResult)
        assert result is not None
        result = result.model_copy(update={"classes": result.classes[::-1]})
        write_result(folder, result, {"predictions.npz": (folder / "predictions.npz").read_bytes()})
        one, other = only(compare_runs(*plain)), only(compare_runs(plain[0], mixed))
        for name in ("difference", "ci_low", "ci_high", "p"):
            assert getattr(other, name) == pytest.approx(getattr(one, name)), name
        itself = only(compare_runs(plain[1], mixed))
        assert (itself.difference, itself.p) == (pytest.approx(0), 1)

    @pytest.mark.parametrize("what", ["patients", "targets", "number"])
    def test_other_test_records_are_not_tested(self, runs: Any, what: str):
        targets, patients = runs.TARGETS.copy(), runs.PATIENTS.copy()
        scores = runs.noisy(3, 2)
        if what == "patients":
            patients[0] = "someone else"
        elif what == "targets":
            targets[0] = 1 - targets[0]
        else:
            targets, patients, scores = targets[:200], patients[:200], scores[:200]
        outs = (
            runs.write({"lcd": [runs.noisy(1, 1)]}, "a"),
            runs.write({"lcd": [scores]}, "b", data="d2", targets=targets, patients=patients),
        )
        comparison = compare_runs(*outs, fail_if_worse=0.5)
        line = only(comparison)
        assert (line.verdict, line.p) == ("not tested", None)
        assert np.isnan([line.ci_low, line.ci_high]).all()
        assert line.mean_b == pytest.approx(auroc(targets, scores))
        assert line.reason == "the test records are not the same"
        assert comparison.gate is not None
        assert not comparison.gate.passed  # nothing green came of no test


class TestSeeds:
    """The test over patients holds the trained encoders as they are; the doubt is about seeds."""

    def _line(self, runs: Any, strengths: list[tuple[float, float]]) -> LineDifference:
        a = [runs.noisy(s, i) for i, (s, _) in enumerate(strengths)]
        b = [runs.noisy(s, i) for i, (_, s) in enumerate(strengths)]
        return only(compare_runs(runs.write({"lcd": a}, "a"), runs.write({"lcd": b}, "b", gamma=1)))

    def test_up_with_one_and_down_with_another_is_within_seeds(self, runs: Any):
        line = self._line(runs, [(1.5, 0.5), (1.0, 1.4), (1.0, 0.9)])
        assert line.p_holm is not None
        assert line.p_holm < 0.05
        assert (line.verdict, line.doubt) == ("worse", "within seeds")
        gate = self._gate(runs, 0.01)
        assert "its 3 seeds alone vary as much (SD 0." in gate.failures[0]

    def _gate(self, runs: Any, worse_by: float) -> Any:
        return compare_runs(runs.folder / "a", runs.folder / "b", fail_if_worse=worse_by).gate

    def test_the_same_loss_with_every_seed_is_not(self, runs: Any):
        line = self._line(runs, [(1.5, 1.0)] * 4)
        assert (line.verdict, line.doubt) == ("worse", "")
        assert "seeds" not in self._gate(runs, 0.01).failures[0]

    def test_the_border_is_that_of_a_t_test(self, runs: Any):
        found = set()
        for step in range(8):
            strengths = [(1.5, 0.2 * step + 0.15 * i) for i in range(3)]
            line = self._line(runs, strengths)
            own = [
                auroc(runs.TARGETS, runs.noisy(b, i)) - auroc(runs.TARGETS, runs.noisy(a, i))
                for i, (a, b) in enumerate(strengths)
            ]
            if line.verdict != "cannot be told apart":
                within = ttest_1samp(own, 0).pvalue >= 0.05
                assert line.doubt == ("within seeds" if within else "")
                found.add(line.doubt)
        assert found == {"within seeds", ""}

    def test_two_seeds_are_too_few(self, runs: Any):
        line = self._line(runs, [(2.0, 1.0)] * 2)
        assert (line.verdict, line.doubt) == ("worse", "fewer than 3 seeds")
        assert "only 2 seeds in both runs" in self._gate(runs, 0.01).failures[0]


class TestChanges:
    def test_of_suites_settings_and_versions(self, runs: Any):
        outs = []
        for name, epochs, version in (("a", 10, 1), ("b", 20, 2)):
            out = runs.write(
                {"lcd": [runs.noisy(1, 1)], "byol": [runs.noisy(1, 2)]}, name,
                settings={"method_version": version, "config": {"gamma": version}},
            )  # fmt: skip
            suite = {"methods": ["lcd"], "pretrain": {"epochs": epochs, "batch_size": 64}}
            extra = {"settings": {"lcd": {"gamma": 2}}} if name == "b" else {}
            (out / "suite.toml").write_text(dump_toml(suite | extra))
            outs.append(out)
        changes = compare_runs(*outs).changes
        assert changes.suite == (
            Change(name="pretrain.epochs", a=10, b=20),
            # Not told by the suite of A, which has the default.
            Change(name="settings.lcd.gamma", a=1, b=2, of=("lcd",)),
        )
        assert changes.settings == (
            Change(name="method_version", a=1, b=2),
            Change(name="settings.byol.gamma", a=1, b=2, of=("byol",)),
        )

    def test_a_table_of_one_suite_is_one_change(self, runs: Any):
        outs = [runs.write({"lcd": [runs.noisy(1, 1)]}, name) for name in "ab"]
        paper = {"data": {"rate": 100}, "settings": {"lcd": {"gamma": 1}}}
        suites = [
            {"seeds": [0, 1], "recipes": {"paper": paper, "best": {"epochs": 3}}},
            {"seeds": 0, "recipes": {"best": {"epochs": 4}}},
        ]
        for out, suite in zip(outs, suites, strict=True):
            (out / "suite.toml").write_text(dump_toml(suite))
        assert compare_runs(*outs).changes.suite == (
            Change(name="seeds", a=[0, 1], b=0),
            Change(name="recipes.paper", a={"data.rate": 100, "settings.lcd.gamma": 1}),
            Change(name="recipes.best.epochs", a=3, b=4),
        )
        turned = {c.name: (c.a, c.b) for c in compare_runs(*outs[::-1]).changes.suite}
        assert turned["recipes.paper"][0] is None
        assert len(turned["recipes.paper"][1]) == 2

    def test_of_the_environment(self, runs: Any):
        outs = [
            runs.write(
                {"lcd": [runs.noisy(1, 1)]}, name,
                origin={
                    "packages": {"torch": torch, "numpy": "2"}, "python": "3.11", "git": git,
                    "plugins": {
                        "method": {"name": "lcd", "distribution": "x", "version": torch, "code": ""}
                    },
                },
            )
            for name, torch, git in (("a", "2.1", None), ("b", "2.2", {"commit": "abc"}))
        ]  # fmt: skip
        assert compare_runs(*outs).changes.environment == (
            Change(name="packages.torch", a="2.1", b="2.2"),
            Change(name="plugin.method.lcd", a="x 2.1", b="x 2.2"),
            Change(name="git.commit", a=None, b="abc"),
        )

    def test_of_the_data(self, runs: Any):
        def summary(fingerprint: str, n: int, left_out: list[list[str]]) -> dict[str, Any]:
            return {
                "dataset": "d", "fingerprint": fingerprint, "n_train": n, "n_validation": 9,
                "n_test": 300, "n_left_out": len(left_out), "left_out": left_out,
                "settings": {"rate": 100.0}, "tasks": {"t": {"MI": n}},
            }  # fmt: skip

        outs = [
            runs.write({"lcd": [runs.noisy(1, 1)]}, name, data=name, summaries=[own])
            for name, own in (
                ("a", summary("a", 100, [])), ("b", summary("b", 99, [["r7", "flat"]])),
            )
        ]  # fmt: skip
        changed = {c.name: (c.a, c.b) for c in compare_runs(*outs).changes.data}
        assert changed == {
            "d.fingerprint": ("a", "b"), "d.n_train": (100, 99), "d.n_left_out": (0, 1),
            "d.tasks.t.MI": (100, 99), "d.left_out": (None, ["r7"]),
        }  # fmt: skip

    def test_a_suite_that_cannot_be_read_is_told(self, runs: Any):
        out = runs.write({"lcd": [runs.noisy(1, 1)]})
        (out / "suite.toml").write_bytes(b"\xff = [")
        notes = compare_runs(out, out).changes.notes
        assert "suite.toml" in notes[0]


class TestTimes:
    MACHINE: dict[str, Any] = {"name": "cpu", "cores": 2, "threads": 1, "torch": "2.1"}  # noqa: RUF012

    def _compare(self, runs: Any, **changed: Any) -> RunComparison:
        scores = {"lcd": [runs.noisy(1, 1), runs.noisy(1, 2)], "random": [runs.noisy(0, 3)]}
        outs = [
            runs.write(scores, name, gamma=seconds, wall_s=seconds, origin={"machine": machine})
            for name, seconds, machine in (
                ("a", 10.0, self.MACHINE), ("b", 20.0, self.MACHINE | changed),
            )
        ]  # fmt: skip
        return compare_runs(*outs)

    def test_on_one_machine(self, runs: Any):
        times = self._compare(runs).times
        (line,) = times.lines  # `random` learns nothing
        assert (line.method, line.n_seeds) == ("lcd", 2)
        assert line.ratio == pytest.approx((20 + 21) / (10 + 11))
        assert line.ratio_low == pytest.approx(21 / 11)
        assert line.ratio_high == pytest.approx(20 / 10)
        assert line.records_per_s_ratio == pytest.approx(1)
        assert times.notes == ()

    @pytest.mark.parametrize("changed", [{"name": "gpu"}, {"threads": 2}, {"cores": 64}])
    def test_not_on_two(self, runs: Any, changed: dict[str, Any]):
        times = self._compare(runs, **changed).times
        assert times.lines == ()
        (note,) = times.notes
        assert "Times are not compared" in note
        assert next(iter(changed)) in note

    def test_another_torch_is_no_other_machine(self, runs: Any):
        times = self._compare(runs, torch="2.2").times
        assert len(times.lines) == 1
        assert "torch 2.1 and B with 2.2" in times.notes[0]

    def test_not_on_unknown_ones(self, runs: Any):
        out = runs.write({"lcd": [runs.noisy(1, 1)]}, origin={"machine": {}})
        times = compare_runs(out, out).times
        assert times.lines == ()
        assert "not known" in times.notes[0]


class TestGate:
    def _gate(self, runs: Any, a: np.ndarray, b: np.ndarray, worse_by: float) -> Any:
        outs = runs.write({"lcd": [a]}, "a"), runs.write({"lcd": [b]}, "b", gamma=1)
        return compare_runs(*outs, fail_if_worse=worse_by).gate

    def test_fails_for_a_loss_above_it_only(self, runs: Any):
        a, b = runs.noisy(2, 1), runs.noisy(1, 2)
        loss = auroc(runs.TARGETS, a) - auroc(runs.TARGETS, b)
        assert not self._gate(runs, a, b, loss - 0.001).passed
        assert self._gate(runs, a, b, loss).passed
        assert self._gate(runs, a, b, loss + 0.001).passed
        assert self._gate(runs, b, a, 0).passed

    def test_says_whether_the_loss_is_more_than_chance(self, runs: Any):
        clear = self._gate(runs, runs.noisy(3, 1), runs.noisy(0, 2), 0.01)
        assert "lies below zero" in clear.failures[0]
        a = runs.noisy(1, 1)
        worse = (a + 0.2 * runs.noisy(0, 5)).astype("f4")
        assert auroc(runs.TARGETS, worse) < auroc(runs.TARGETS, a) - 0.0005
        noise = self._gate(runs, a, worse, 0.0005)
        assert "may be noise" in noise.failures[0]
        assert "less than these test records can tell" in noise.notes[0]

    def test_fails_for_what_vanished(self, runs: Any):
        scores = {"lcd": [runs.noisy(1, 1)], "byol": [runs.noisy(1, 2)]}
        a, b = runs.write(scores, "a"), runs.write(scores, "b")
        folder = next(
            f for f in (b / "evaluate").iterdir() if "byol" in (f / "result.json").read_text()
        )
        (folder / "result.json").unlink()
        comparison = compare_runs(a, b, fail_if_worse=0.1)
        assert comparison.gate is not None
        assert not comparison.gate.passed
        assert comparison.gate.failures == ()
        assert comparison.gate.missing == ("1 line: byol on d/t, linear, e, all labels.",)
        assert comparison.only_a == ("linear byol",)
        assert [cell.status for cell in comparison.unfinished_b] == ["missing"]
        # What B has more is no loss.
        turned = compare_runs(b, a, fail_if_worse=0.1)
        assert turned.gate is not None
        assert turned.gate.passed
        assert turned.only_b == ("linear byol",)
        assert turned.lines_only_b == ("byol on d/t, linear, e, all labels",)

    def test_counts_seeds_and_label_subsets_that_vanished(self, runs: Any):
        one, two, three = (runs.noisy(1, i) for i in (1, 2, 3))
        a = runs.write({"lcd": [[one, two], three], "byol": [[one, two]]}, "a", fraction=0.1)
        b = runs.write({"lcd": [[one, two]], "byol": [[one]]}, "b", fraction=0.1)
        gate = compare_runs(a, b, fail_if_worse=0).gate
        assert gate is not None
        assert (gate.passed, gate.failures) == (False, ())
        assert gate.missing == ("seed 1 of 1 line.", "label subsets of 1 line.")
        allowed = compare_runs(a, b, fail_if_worse=0, allow_missing=True).gate
        assert allowed is not None
        assert (allowed.passed, allowed.missing) == (True, gate.missing)

    def test_nothing_in_common_is_an_error(self, runs: Any):
        a = runs.write({"lcd": [runs.noisy(1, 1)]}, "a")
        b = runs.write({"byol": [runs.noisy(1, 1)]}, "b")
        with pytest.raises(DataError, match="no score in common"):
            compare_runs(a, b, fail_if_worse=0.1)
        next((b / "evaluate").glob("*/result.json")).unlink()
        with pytest.raises(DataError, match="no score to compare: not computed yet"):
            compare_runs(a, b, fail_if_worse=0.1)

    @pytest.mark.parametrize("worse_by", [-0.01, 1.0, float("nan"), float("inf")])
    def test_impossible_thresholds(self, runs: Any, worse_by: float):
        out = runs.write({"lcd": [runs.noisy(1, 1)]})
        with pytest.raises(ConfigError, match="from 0 up to 1"):
            compare_runs(out, out, fail_if_worse=worse_by)


HOSTILE = "<script>\x1b[31m'\"‮[bold]x[/bold]"


def test_the_terminal_gets_harmless_lines(
    runs: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    names = {
        HOSTILE: [runs.noisy(1, 1)],
        "a_method_with_a_very_long_name_indeed": [runs.noisy(1, 2)],
    }
    outs = [
        runs.write(names, name, gamma=i, origin={"python": HOSTILE + name})
        for i, name in enumerate("ab")
    ]
    print_comparison(compare_runs(*outs, fail_if_worse=0.01))
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert "[bold]x[/bold]" in printed
    assert "\x1b" not in printed
    assert "‮" not in printed
    assert "gamma: 0 -> 1" in printed


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_the_seeds_are_shown_at_any_width(
    runs: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
):
    monkeypatch.setenv("COLUMNS", str(columns))
    a, b = ([runs.noisy(s, i) for i in range(3)] for s in (2, 1))
    outs = runs.write({"lcd": a}, "a"), runs.write({"lcd": b}, "b", gamma=1)
    comparison = compare_runs(*outs)
    print_comparison(comparison)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= columns
    (row,) = (line for line in printed.splitlines() if line.startswith("lcd "))
    assert f"{only(comparison).seed_std:.3f}" in row.split()
    assert row.split()[-1] == "worse"
    assert ("No room for:" in printed) == (columns < 80)


def test_a_hash_is_short_and_one_value_is_a_list_of_one(
    runs: Any, capsys: pytest.CaptureFixture[str]
):
    out = runs.write({"lcd": [runs.noisy(1, 1)]})
    hashes = ["0123456789abcdef" * 4, "fedcba9876543210" * 4]
    changes = Changes(
        data=(
            Change(name="d.fingerprint", a=hashes, b=hashes[0]),
            Change(name="e.fingerprint", a=hashes[0], b=hashes[1]),
            Change(name="f", a=[1, 2], b=None),
        ),
        suite=(Change(name="recipes", b={"x": 1, "y": 2}),),
    )
    print_comparison(compare_runs(out, out).model_copy(update={"changes": changes}))
    printed = capsys.readouterr().out
    assert "- d.fingerprint: only in A fedcba98\n" in printed
    assert "- e.fingerprint: 01234567 -> fedcba98\n" in printed
    assert "- f: [1, 2] -> -\n" in printed
    assert "- recipes: only in B, 2 settings\n" in printed


def test_the_document_comes_back_from_json(runs: Any):
    out = runs.write({"lcd": [runs.noisy(1, 1)]})
    text = compare_runs(out, out, fail_if_worse=0).model_dump_json(by_alias=True)
    assert json.loads(text)["schema"] == 1
    assert RunComparison.model_validate_json(text).gate is not None


def test_names_of_the_sides_tell_equal_folders_apart(runs: Any):
    outs = [runs.write({"lcd": [runs.noisy(1, 1)]}, f"{who}/out") for who in ("alice", "bob")]
    comparison = compare_runs(*outs)
    assert (comparison.a.out, comparison.b.out) == ("alice/out", "bob/out")


@pytest.mark.parametrize("wrong", ["nothing", "."])
def test_a_folder_without_a_run(runs: Any, tmp_path: Path, wrong: str):
    out = runs.write({"lcd": [runs.noisy(1, 1)]})
    with pytest.raises(DataError, match=r"holds no results|There is no folder"):
        compare_runs(out, tmp_path / wrong)
