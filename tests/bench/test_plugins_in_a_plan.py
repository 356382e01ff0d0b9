"""What plugins do to the process that plans and computes costs them alone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch

from lcd_plugin.bench.events import RunSummary
from lcd_plugin.bench.own_state import AttemptError, attempt, own_state
from lcd_plugin.bench.plan import Plan, make_plan
from lcd_plugin.bench.runner import Runner
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS, DatasetSpec, EncoderSpec, MethodSpec
from lcd_plugin.plugins.offers import Offer
from lcd_plugin.plugins.trials import Report

KINDS = {
    "method": (METHODS, MethodSpec),
    "dataset": (DATASETS, DatasetSpec),
    "encoder": (ENCODERS, EncoderSpec),
}
METHOD = """
    import asyncio, os, sys
    import pytest, torch
    from pydantic import Field, field_validator
    from lcd_plugin.errors import ConfigError, DataError
    from lcd_plugin.methods.base import Method, MethodConfig, StepOutput
    {at_import}

    class Config(MethodConfig):
        {config}

    class Mine(Method):
        views = "{views}"
        config_class = Config

        def training_step(self, views):
            {in_step}
            loss = sum(self.encoder(view).square().mean() for view in views)
            return StepOutput(loss=loss, terms={{}})
"""
DATASET = """
    import sys
    from pydantic import BaseModel
    from lcd_plugin.errors import ConfigError, MemoryShortageError
    from lcd_plugin.data.cohort import CohortSettings
    from lcd_plugin.data.cohorts.synthetic import Synthetic

    class Settings(Synthetic.settings_class):
        {settings}

    class Mine(Synthetic):
        settings_class = Settings

        def index(self):
            {in_index}
"""
ENCODER = """
    import os, sys
    import torch
    {at_import}

    def Mine(in_leads=1):
        {when_made}
        return torch.nn.Linear(3, 3)
"""
Make = Callable[..., None]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make a plugin that was tried out before: one of a file that the user gave."""
    monkeypatch.syspath_prepend(tmp_path)
    modules: list[str] = []

    def do(kind: str, name: str, code: str = METHOD, **parts: str) -> None:
        defaults = {
            "at_import": "pass", "config": "pass", "views": "aa", "in_step": "pass",
            "settings": "pass", "in_index": "return super().index()", "when_made": "pass",
        }  # fmt: skip
        module = f"of_{name}"
        (tmp_path / f"{module}.py").write_text(dedent(code).format(**(defaults | parts)))
        modules.append(module)
        registry, spec_type = KINDS[kind]
        more: dict[str, Any] = {"needs_path": False} if kind == "dataset" else {}
        spec = spec_type(name=name, implementation=f"{module}:Mine", summary="a test", **more)
        with (tmp_path / f"{module}.py").open("a") as file:
            file.write(f"\nfrom lcd_plugin.plugins import {spec_type.__name__}\nSPEC = {spec}\n")
        offer = Offer(kind, name, f"{module}:SPEC", f"{module}.py", "1", "file")
        monkeypatch.setitem(registry.offers, name, [offer])
        monkeypatch.setitem(registry._reports, offer, Report(asdict(spec), tried=True))

    yield do
    for module in modules:
        sys.modules.pop(module, None)


def _plan(*assignments: str, **flags: Any) -> Plan:
    small = {"methods": ["random"], "limit": 80, "pretrain": {"epochs": 1, "batch_size": 16}}
    suite = load_suite(
        "quick", ["label_fractions=[1.0]", "data.seconds=2.5", *assignments], small | flags
    )
    return make_plan(suite, "fp32", "cpu", lambda *_: None)


def _run(plan: Plan, out: Path) -> RunSummary:
    return Runner(plan, out, torch.device("cpu")).run()


def _state() -> tuple[Any, ...]:
    return (
        torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device(),
        torch.get_num_threads(), torch.get_float32_matmul_precision(), Path.cwd(),
    )  # fmt: skip


CHANGES = (
    "torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False); "
    "torch.set_num_threads(3 - torch.get_num_threads() % 2); torch.set_default_device('meta'); "
    "torch.set_float32_matmul_precision('medium'); os.chdir('/')"
)


@pytest.fixture
def one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_is_global_comes_back_also_after_an_error() -> None:
    before = _state()

    def change() -> None:
        exec(CHANGES, {"torch": torch, "os": os})
        assert all(now != then for now, then in zip(_state(), before, strict=True))
        raise KeyError

    with pytest.raises(AttemptError, match="KeyError"):
        attempt(change)
    assert _state() == before


def test_a_folder_that_is_gone_and_a_device_that_is_not_there(tmp_path: Path) -> None:
    before = _state()
    (tmp_path / "short-lived").mkdir()
    with own_state():
        torch.set_default_device("xpu")
        os.chdir(tmp_path / "short-lived")
        (tmp_path / "short-lived").rmdir()
    assert _state() == before


def test_what_plugins_set_when_they_are_loaded(make: Make, one_folder: None) -> None:
    before = _state()
    make("method", "changes", at_import=CHANGES)
    make("encoder", "changes_too", ENCODER, at_import=CHANGES, when_made=CHANGES)
    make("dataset", "changes_as_well", DATASET, in_index=f"import os, torch; {CHANGES}; 1 / 0")
    plan = _plan(
        methods=["changes", "random"],
        encoders=["changes_too", "vgg16_1d"],
        datasets=["changes_as_well", "synthetic"],
    )
    assert _state() == before
    assert plan.unavailable.keys() == {"dataset changes_as_well"}


def test_what_plugins_set_in_a_step(make: Make, one_folder: None, tmp_path: Path) -> None:
    make("method", "changes", in_step=f"{CHANGES}; 1 / 0")
    before = _state()
    summary = _run(_plan(methods=["changes", "lcd"]), Path("out"))
    assert _state() == before
    assert (summary.counts["done"], summary.counts["failed"]) == (2, 1)
    alone = _run(_plan(methods=["lcd"]), tmp_path / "alone")
    assert alone.complete
    # It did not change what is computed after it.
    scores = [
        sorted(
            json.loads(p.read_text())["macro"]["auroc"]
            for p in (tmp_path / out / "evaluate").glob("*/result.json")
        )
        for out in ("out", "alone")
    ]
    assert scores[0] == scores[1] != []


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"config": "needed: int"}, "needed: Field required"),
        ({"config": "x: object = object()"}, "Unable to serialize unknown type"),
        ({"config": "x: int = Field(-1, ge=0, validate_default=True)"}, "x: "),
        (
            {
                "config": "x: int = Field(1, validate_default=True)\n"
                "    @field_validator('x')\n"
                "    def _x(cls, value): raise ConfigError('not mine')"
            },
            "not mine",
        ),
        (
            {
                "config": "x: int = Field(1, validate_default=True)\n"
                "    @field_validator('x')\n"
                "    def _x(cls, value): sys.exit(3)"
            },
            "SystemExit: 3",
        ),
        ({"views": "abcdefghijklm"}, "needs 13 different leads, and data.leads has"),
        ({"at_import": "raise asyncio.CancelledError"}, "CancelledError"),
        ({"at_import": "raise ConfigError('mine')"}, "mine"),
    ],
)
def test_a_method_that_cannot_be_used_costs_itself(
    make: Make, parts: dict[str, str], says: str
) -> None:
    make("method", "odd", **parts)
    plan = _plan(methods=["odd", "random"])
    assert plan.unavailable.keys() == {"method odd"}
    assert says in plan.unavailable["method odd"]
    assert "'odd' of of_odd.py" in plan.unavailable["method odd"]
    assert {cell.method for cell in plan.pretrain} == {"random"}
    with pytest.raises(PluginError):
        _plan(methods=["odd"])


def test_settings_that_the_user_gave_are_for_the_user_to_mend(make: Make) -> None:
    make("method", "odd", config="needed: int")
    assert not _plan("odd.needed=3", methods=["odd"]).unavailable
    with pytest.raises(ConfigError, match=r"odd\.needed"):
        _plan("odd.needed='x'", methods=["odd", "random"])
    with pytest.raises(ConfigError, match=r"odd\.neded"):
        _plan("odd.neded=3", "odd.needed=3", methods=["odd", "random"])


def test_a_built_in_method_with_too_many_leads_is_said_as_before() -> None:
    with pytest.raises(ConfigError, match="needs 2 different leads"):
        _plan("data.leads=['II']", methods=["lcd"])


def test_an_encoder_that_exits_costs_itself(make: Make) -> None:
    make("encoder", "exits", ENCODER, when_made="sys.exit('no')")
    plan = _plan(encoders=["exits", "vgg16_1d"])
    assert plan.unavailable.keys() == {"encoder exits"}
    assert "cannot be made: no" in plan.unavailable["encoder exits"]


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"in_index": "sys.exit(3)"}, "SystemExit: 3"),
        ({"in_index": "raise ConfigError('mine')"}, "mine"),
        ({"in_index": "raise MemoryShortageError('much')"}, "much"),
        ({"settings": "needed: int"}, "odd_data.needed: Field required"),
    ],
)
def test_a_dataset_that_cannot_be_used_costs_itself(
    make: Make, parts: dict[str, str], says: str
) -> None:
    make("dataset", "odd_data", DATASET, **parts)
    plan = _plan(datasets=["odd_data", "synthetic"])
    assert plan.unavailable.keys() == {"dataset odd_data"}
    assert says in plan.unavailable["dataset odd_data"]
    with pytest.raises(PluginError):
        _plan(datasets=["odd_data"])


def test_settings_of_a_dataset_that_the_user_gave_are_for_the_user_to_mend(make: Make) -> None:
    make("dataset", "odd_data", DATASET, settings="needed: int")
    with pytest.raises(ConfigError, match=r"odd_data\.needed"):
        _plan("odd_data.needed='x'", datasets=["odd_data", "synthetic"])


def test_an_interruption_passes(make: Make, tmp_path: Path) -> None:
    make("dataset", "odd_data", DATASET, in_index="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        _plan(datasets=["odd_data", "synthetic"])
    make("method", "odd", in_step="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        _run(_plan(methods=["odd"]), tmp_path)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("raise asyncio.CancelledError('over')", "CancelledError: over"),
        ("pytest.skip('not today')", "not today"),
        ("sys.exit(5)", "SystemExit: 5"),
        (r"raise ValueError('half \udc80')", r"ValueError: half \udc80"),
        (r"raise DataError('half \udc80')", r"half \udc80"),
        (
            "raise type('Mute', (Exception,), {{'__str__': lambda self: 1 / 0}})",
            "Mute: its text cannot be shown",
        ),
    ],
)
def test_whatever_a_step_raises_is_the_failure_of_its_cell(
    make: Make, tmp_path: Path, step: str, says: str
) -> None:
    make("method", "odd", in_step=step.replace("{{", "{").replace("}}", "}"))
    summary = _run(_plan(methods=["odd", "random"]), tmp_path)
    assert (summary.counts["done"], summary.counts["failed"]) == (2, 1)
    ((title, reason),) = summary.failures
    assert title.startswith("pretrain odd")
    assert says in reason
    results = [json.loads(p.read_text()) for p in tmp_path.glob("pretrain/*/result.json")]
    (failed,) = [r for r in results if r["status"] == "failed"]
    assert failed["error"] == reason
    assert "training_step" in failed["traceback"]


WAITS = """
    import os, pathlib, time
    from lcd_plugin.plugins import MethodSpec
    here = pathlib.Path(__file__).parent
    with (here / "log").open("a") as file:
        file.write(f"{{__name__}} {{os.getpid()}}\\n")
    end = time.monotonic() + 8
    while not all(name in (here / "log").read_text() for name in ("of_one", "of_two")):
        assert time.monotonic() < end, "the other one was not started meanwhile"
        time.sleep(0.02)
    SPEC = MethodSpec(name="{name}", implementation="heavy_{name}:Mine", summary="a test")
"""


def test_plugins_of_a_suite_are_tried_side_by_side_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for name in ("one", "two"):
        (tmp_path / f"of_{name}.py").write_text(dedent(WAITS).format(name=name))
        (tmp_path / f"heavy_{name}.py").write_text("class Mine: pass\n")
        offer = Offer("method", name, f"of_{name}:SPEC", f"of-{name}", "1", "installed")
        monkeypatch.setitem(METHODS.offers, name, [offer])
    load_suite("quick", [], {"methods": ["one", "two"]})
    for name in ("one", "two"):
        METHODS.load(name)
        sys.modules.pop(f"of_{name}")
        sys.modules.pop(f"heavy_{name}")
    children = [
        line.split()[0]
        for line in (tmp_path / "log").read_text().splitlines()
        if line.split()[1] != str(os.getpid())
    ]
    assert sorted(children) == ["of_one", "of_two"]
