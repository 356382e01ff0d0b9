"""Recipes, label subsets, lead subsets and snapshots: the cells of a plan, and a whole run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lcd_plugin.bench import evaluation
from lcd_plugin.bench.events import CellEvent, RunSummary
from lcd_plugin.bench.plan import Plan, make_plan
from lcd_plugin.bench.pretraining import CHECKPOINT
from lcd_plugin.bench.recipes import BUNDLED
from lcd_plugin.bench.runner import Runner
from lcd_plugin.bench.suite import bundled_suites, load_suite
from lcd_plugin.bench.toml import dump_toml
from lcd_plugin.data.leads import LEAD_SUBSETS
from lcd_plugin.errors import ConfigError
from lcd_plugin.evaluate.protocols import PROTOCOLS

SMALL: dict[str, Any] = {
    "methods": ["lcd", "random"],
    "label_fractions": [0.5, 1.0],
    "limit": 60,
    "pretrain": {"epochs": 4, "batch_size": 16},
    "finetune": {"epochs": 1},
}
GAMMAS = {
    "low": {"settings": {"lcd": {"gamma": 0.001}}},
    "high": {"settings": {"lcd": {"gamma": 0.1}}},
}


def plan_of(**changes: Any) -> Plan:
    return make_plan(load_suite("quick", [], SMALL | changes), "fp32", "cpu", lambda *_: None)


def run(plan: Plan, out: Path) -> tuple[RunSummary, list[CellEvent]]:
    events: list[CellEvent] = []
    return Runner(plan, out, torch.device("cpu"), listen=events.append).run(), events


class TestRecipes:
    def test_every_method_runs_under_every_recipe(self):
        plan = plan_of(
            recipes={"a": {"views": {"crop": [0.25, 1.0]}}, "b": {"data": {"seconds": 4}}}
        )
        assert {(c.method, c.recipe) for c in plan.pretrain} == {
            (method, recipe) for method in ("lcd", "random") for recipe in "ab"
        }
        assert plan.setups["b"].stores["synthetic"].manifest.data.seconds == 4
        assert plan.setups["a"].stores["synthetic"].manifest.data.seconds == 5

    def test_what_recipes_have_in_common_is_computed_once(self):
        plan = plan_of(recipes=GAMMAS, methods=["lcd", "random", "supervised"])
        assert [(c.method, c.recipe) for c in plan.pretrain] == [
            ("lcd", "low"),
            ("random", "low"),
            ("lcd", "high"),
        ]
        scored = {(c.method, c.recipe) for c in plan.evaluate}
        assert scored == {
            ("lcd", "low"), ("lcd", "high"), ("random", "low"), ("supervised", "low"),
        }  # fmt: skip

    def test_the_name_of_a_recipe_changes_no_key(self):
        named = plan_of(recipes={"any": {}})
        plain = plan_of()
        assert [c.key for c in named.pretrain] == [c.key for c in plain.pretrain]
        assert [c.key for c in named.evaluate] == [c.key for c in plain.evaluate]

    def test_bundled_recipes_by_name(self):
        suite = load_suite("quick", [], {"recipes": ["paper", "best"]})
        assert suite.recipes == BUNDLED
        assert suite.under("paper").data.normalisation == "lead"
        assert suite.under("paper").recipes == {}

    def test_paper_is_the_paper(self):
        suite = load_suite("paper").under("paper")
        assert suite.data.samples == 2048
        assert suite.data.leads == ("II", "III", "V1", "V2", "V3", "V4", "V5", "V6")
        assert (suite.data.normalisation, suite.views.per) == ("lead", "batch")
        assert (suite.views.crop, suite.views.time_out) == ((0.5, 1.0), (0.0, 0.5))
        assert (suite.pretrain.epochs, suite.pretrain.batch_size) == (100, 256)
        assert (suite.linear_paper.batch_size, suite.finetune_paper.learning_rate) == (128, 1e-4)

    @pytest.mark.parametrize(
        ("recipes", "message"),
        [
            (["papr"], "no recipe 'papr'; did you mean 'paper'"),
            ({"a": {"seeds": [1]}}, "recipe 'a' cannot change 'seeds'"),
            ({"a": {"pretrain": {"epochs": 9}}}, "recipe 'a' cannot change 'pretrain'"),
            ({"a": {"settings": {"vgg16_1d": {"width": 1.0}}}}, "cannot change 'vgg16_1d'"),
            ({"a": {"settings": {"lcdd": {"gamma": 1.0}}}}, "settings.lcdd: nothing has that name"),
            ({"a": {"views": {"crp": [0.5, 1.0]}}}, r"Unknown key 'recipes.a.views.crp'"),
            ({"a": {"data": {"rate": -1}}}, r"recipes.a.data.rate: must be greater"),
        ],
    )
    def test_impossible_recipes(self, recipes: Any, message: str):
        with pytest.raises(ConfigError, match=message):
            load_suite("quick", [], {"recipes": recipes})

    def test_set_changes_one_of_the_recipes_that_a_suite_names(self):
        change = ["recipes.paper.views.gain=[0.5,2.0]"]
        suite = load_suite("quick-paper", change)
        assert list(suite.recipes) == ["paper", "best"]
        assert suite.under("paper").views.gain == (0.5, 2.0)
        assert suite.under("paper").data.normalisation == "lead"
        assert suite.under("best").views.gain == (1.0, 1.0)
        flagged = load_suite("quick", change, {"recipes": ["paper"]}).under("paper")
        assert (flagged.views.gain, flagged.data.normalisation) == ((0.5, 2.0), "lead")
        assert BUNDLED["paper"]["views"]["gain"] == [1.0, 1.0]

    def test_set_of_what_every_recipe_sets_itself(self):
        with pytest.raises(ConfigError, match=r"use --set recipes\.paper\.data\.normalisation="):
            load_suite("quick-paper", ["data.normalisation=record"])
        assert load_suite("quick-paper", ["data.rate=50"]).under("best").data.rate == 50

    def test_a_flag_chooses_among_the_recipes_of_the_suite(self):
        suite = load_suite("ablation", [], {"recipes": ["leads-per-record", "paper", "best"]})
        assert suite.under("leads-per-record").views.per == "sample"
        assert suite.recipes["paper"] == {}
        assert suite.under("best").data.normalisation == "physical"

    def test_a_recipe_that_changes_nothing_is_named(self, caplog: pytest.LogCaptureFixture):
        plan_of(recipes={"a": {}, "b": {"settings": {"byol": {"momentum": 0.9}}}})
        assert [m for m in caplog.messages if "recipe 'b'" in m]
        assert not [m for m in caplog.messages if "recipe 'a'" in m]

    @pytest.mark.parametrize("name", sorted(bundled_suites()))
    def test_every_recipe_of_a_bundled_suite_is_possible(self, name: str):
        suite = load_suite(name)
        assert all(suite.under(recipe).recipes == {} for recipe in suite.recipes)

    def test_recipes_survive_the_saved_suite(self, tmp_path: Path):
        suite = load_suite("ablation")
        saved = tmp_path / "suite.toml"
        saved.write_text(dump_toml(suite.model_dump(mode="json")))
        assert load_suite(str(saved)) == suite
        assert next(iter(suite.recipes)) == "paper"


class TestLabels:
    def test_each_probe_is_fitted_on_every_label_subset_and_training_on_one(self):
        plan = plan_of(
            methods=["random", "supervised"], label_seeds=[7, 8], seeds=[0, 1, 2],
            protocols=["linear", "finetune"], label_fractions=[0.5],
        )  # fmt: skip
        subsets = {(c.protocol, c.seed, c.label_seed) for c in plan.evaluate}
        assert subsets == {
            *(("linear", seed, labels) for seed in (0, 1, 2) for labels in (7, 8)),
            *(
                (p, seed, labels)
                for p in ("finetune", "scratch")
                for seed, labels in ((0, 7), (1, 8), (2, 7))
            ),
        }

    def test_training_covers_every_label_subset(self):
        plan = plan_of(
            methods=["supervised"], label_seeds=[7, 8, 9], seeds=[0, 1], label_fractions=[0.5]
        )
        assert [(c.seed, c.label_seed) for c in plan.evaluate] == [(0, 7), (0, 9), (1, 8)]

    def test_all_labels_are_one_subset(self):
        plan = plan_of(methods=["random"], label_seeds=[7, 8, 9])
        assert [(c.label_fraction, c.label_seed) for c in plan.evaluate] == [
            (0.5, 7), (0.5, 8), (0.5, 9), (1.0, 7),
        ]  # fmt: skip

    def test_without_label_seeds_a_subset_has_the_seed_of_its_pretraining(self):
        plan = plan_of(methods=["random"], seeds=[3, 4])
        assert all(c.label_seed == c.seed for c in plan.evaluate)

    def test_counts_stand_beside_fractions(self, tmp_path: Path):
        plan = plan_of(methods=["random"], label_counts=[20])
        run(plan, tmp_path)
        n_labels = {
            json.loads(p.read_text())["n_labels"] for p in tmp_path.glob("evaluate/*/result.json")
        }
        all_labels = max(n_labels)
        assert n_labels == {20, round(0.5 * all_labels), all_labels}

    def test_counts_are_those_of_each_task(self, tmp_path: Path):
        plan = plan_of(
            methods=["random"], label_counts=[15], label_fractions=[1.0],
            tasks=["diagnosis", "diagnosis-single"],
        )  # fmt: skip
        run(plan, tmp_path)
        results = [json.loads(p.read_text()) for p in tmp_path.glob("evaluate/*/result.json")]
        few = {
            r["identity"]["task"]: r["n_labels"]
            for r in results
            if r["identity"]["label_fraction"] < 1
        }
        assert few == {"diagnosis": 15, "diagnosis-single": 15}
        every = {r["n_labels"] for r in results} - {15}
        assert len(every) == 2, "the tasks have different numbers of labelled records"

    def test_a_task_of_one_dataset(self):
        plan = plan_of(methods=["random"], tasks=["synthetic/diagnosis-single"])
        assert {c.task for c in plan.evaluate} == {"diagnosis-single"}
        with pytest.raises(ConfigError, match="no dataset 'synthetik' is scored; did you mean"):
            plan_of(tasks=["synthetik/diagnosis-single"])

    def test_beside_the_papers_protocols_training_from_scratch_is_the_papers_too(self):
        def scratch(*protocols: str) -> set[tuple[str, str]]:
            plan = plan_of(methods=["supervised"], protocols=protocols, label_fractions=[1.0])
            return {
                (c.protocol, "patience" in c.identity["protocol_settings"]) for c in plan.evaluate
            }

        assert scratch("linear") == {("scratch", True)}
        assert scratch("finetune-paper") == {("scratch-paper", False)}
        assert scratch("linear-paper", "knn") == {("scratch", True), ("scratch-paper", False)}

    def test_what_is_too_small_or_too_large_is_left_out_and_named(self):
        plan = plan_of(methods=["random"], label_fractions=[0.02, 1.0], label_counts=[1000])
        assert {c.label_fraction for c in plan.evaluate} == {1.0}
        reasons = plan.unavailable
        assert "leaves class" in reasons["dataset synthetic/diagnosis, 2% of labels"]
        assert "1000 labelled" in reasons["dataset synthetic/diagnosis, 1000 labels"]
        with pytest.raises(ConfigError, match="leaves class"):
            plan_of(methods=["random"], label_fractions=[0.02])


class TestLeads:
    def test_a_subset_of_leads_is_scored_by_itself(self, tmp_path: Path):
        plan = plan_of(
            methods=["random"], lead_subsets=["all", "2", "v5"], label_fractions=[1.0],
            data={"leads": LEAD_SUBSETS["12"]},
        )  # fmt: skip
        assert [c.leads for c in plan.evaluate] == ["all", "2", "V5"]
        outcome, _ = run(plan, tmp_path)
        assert outcome.complete
        scores = [
            json.loads((tmp_path / "evaluate" / c.key / "result.json").read_text())["macro"][
                "auroc"
            ]
            for c in plan.evaluate
        ]
        assert len(set(scores)) == 3

    def test_leads_that_were_not_prepared(self):
        with pytest.raises(ConfigError, match=r"'2' needs I, and data\.leads has II, III"):
            plan_of(lead_subsets=["2"])


class TestSnapshots:
    def test_the_encoder_is_scored_on_the_way(self, tmp_path: Path):
        plan = plan_of(snapshots=[0.25, 0.5], label_fractions=[1.0])
        taken = [(c.method, c.snapshot) for c in plan.evaluate if c.snapshot]
        assert taken == [("lcd", 0.25), ("lcd", 0.5)]
        outcome, _ = run(plan, tmp_path)
        assert outcome.complete
        (cell,) = (c for c in plan.pretrain if c.method == "lcd")
        result = json.loads((tmp_path / "pretrain" / cell.key / "result.json").read_text())
        assert [s["epoch"] for s in result["snapshots"]] == [1, 2]
        assert 0 < result["snapshots"][0]["seconds"] < result["snapshots"][1]["seconds"]
        assert set(result["files"]) == {
            "encoder.safetensors", "history.csv",
            "snapshot-0.25.safetensors", "snapshot-0.5.safetensors",
        }  # fmt: skip
        again, _ = run(plan, tmp_path)
        assert again.counts["done"] == 0

    def test_they_survive_an_interruption(self, tmp_path: Path):
        plan = plan_of(
            methods=["lcd"],
            snapshots=[0.25, 0.75],
            label_fractions=[1.0],
            engine={"checkpoint_s": 0},
        )

        def interrupt(event: CellEvent) -> None:
            if event.epoch and event.epoch.epoch == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Runner(plan, tmp_path, torch.device("cpu"), listen=interrupt).run()
        folder = tmp_path / "pretrain" / plan.pretrain[0].key
        assert (folder / CHECKPOINT).exists()
        outcome, _ = run(plan, tmp_path)
        assert outcome.complete
        result = json.loads((folder / "result.json").read_text())
        assert [s["share"] for s in result["snapshots"]] == [0.25, 0.75]
        assert result["engine"]["resumed_at"] is not None


class TestGroups:
    def test_cells_of_one_encoder_are_computed_together(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        sizes = spied(monkeypatch, lambda work: None)
        run(plan_of(label_seeds=[0, 1]), tmp_path)
        assert sizes == [3, 3]

    def test_one_that_fails_costs_no_other(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        def fail_on_small(work: Any) -> None:
            if any(len(s.rows) < 30 for s in work.subsets):
                raise FloatingPointError("planted")

        spied(monkeypatch, fail_on_small)
        outcome, events = run(plan_of(methods=["random"], label_seeds=[0, 1]), tmp_path)
        assert outcome.counts == {"cached": 0, "done": 2, "elsewhere": 0, "failed": 2, "blocked": 0}
        failed = [e.cell.label_fraction for e in events if e.status == "failed"]  # type: ignore[union-attr]
        assert failed == [0.5, 0.5]
        assert all("planted" in reason for _, reason in outcome.failures)

    def test_features_that_cannot_be_read_are_read_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        tries = []

        def broken(*_: Any) -> None:
            tries.append(1)
            raise FloatingPointError("planted")

        monkeypatch.setattr(evaluation, "extract_features", broken)
        outcome, _ = run(plan_of(methods=["random"], label_seeds=[0, 1]), tmp_path)
        assert outcome.counts["failed"] == 3
        assert tries == [1]

    def test_only_what_is_missing_is_computed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        run(plan_of(methods=["random"]), tmp_path)
        sizes = spied(monkeypatch, lambda work: None)
        outcome, _ = run(plan_of(methods=["random"], label_fractions=[0.4, 0.5, 1.0]), tmp_path)
        assert sizes == [1]
        assert outcome.counts["cached"] == 3


def spied(monkeypatch: pytest.MonkeyPatch, check: Callable[[Any], None]) -> list[int]:
    """Sizes of the groups that the linear probe is given."""
    sizes: list[int] = []
    linear = PROTOCOLS["linear"]

    def predict(work: Any, settings: Any) -> Any:
        check(work)
        sizes.append(len(work.subsets))
        return linear.predict(work, settings)

    spy = type(linear)(**{**vars(linear), "predict": predict})
    monkeypatch.setitem(PROTOCOLS, "linear", spy)
    return sizes
