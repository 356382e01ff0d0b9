from __future__ import annotations

import tomllib
from pathlib import Path
from typing import get_args

import pytest

from lcd_plugin.bench.suite import Protocol, Suite, bundled_suites, load_suite
from lcd_plugin.bench.toml import dump_toml
from lcd_plugin.cli import run
from lcd_plugin.errors import ConfigError
from lcd_plugin.evaluate.protocols import PROTOCOLS


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\nmethods = ["lcd"]\ndatasets = ["synthetic"]\n[pretrain]\nepochs = 7\n'
        "batch_size = 32\n[settings.lcd]\ngamma = 0.1\n"
    )
    return path


def test_precedence_is_defaults_suite_set_flags(suite_file: Path):
    default = Suite(methods=("lcd",), datasets=("synthetic",))
    assert load_suite(str(suite_file)).pretrain.epochs == 7
    assert load_suite(str(suite_file)).pretrain.learning_rate == default.pretrain.learning_rate
    assignments = ["pretrain.epochs=8", "lcd.gamma=0.2", "pretrain.schedule=cosine"]
    changed = load_suite(str(suite_file), assignments)
    assert changed.pretrain.epochs == 8
    assert changed.pretrain.schedule == "cosine"
    assert changed.settings["lcd"]["gamma"] == 0.2
    flagged = load_suite(str(suite_file), assignments, {"pretrain": {"epochs": 9}})
    assert flagged.pretrain.epochs == 9
    assert flagged.pretrain.batch_size == 32


@pytest.mark.parametrize("name", sorted(bundled_suites()))
def test_bundled_suites_load_and_are_named_as_their_file(name: str):
    assert load_suite(name).name == name


def test_a_resolved_suite_written_and_read_is_the_same(suite_file: Path, tmp_path: Path):
    suite = load_suite(str(suite_file), ['description="a \\"b\\" \\\\ ü"', "limit=50"])
    saved = tmp_path / "saved.toml"
    saved.write_text(dump_toml(suite.model_dump(mode="json")), encoding="utf-8")
    assert load_suite(str(saved)) == suite


def test_toml_of_awkward_values_is_read_back_by_the_standard_library():
    document = {
        "a key": 'quote " backslash \\ newline \n unicode é',
        "numbers": [1, 2.5, 1e-7, True],
        "nested": {"empty": {}, "deep": {"x.y": [], "z": "é"}},
    }
    read = tomllib.loads(dump_toml(document))
    assert read["a key"] == document["a key"]
    assert read["numbers"] == document["numbers"]
    assert read["nested"]["deep"] == {"x.y": [], "z": "é"}


@pytest.mark.parametrize(
    ("assignment", "complaint"),
    [
        ("pretrain.epoch=3", r"Unknown key 'pretrain.epoch'; did you mean 'epochs'\?"),
        ("pretrian.epochs=3", r"unknown key 'pretrian'; did you mean 'pretrain' or "),
        ("pretrain.epochs=0", r"pretrain.epochs: must be greater than or equal to 1 \(got 0\)"),
        ("pretrain.epochs", "--set takes key=value"),
        ("data.normalisation=zscore", "'physical', 'record' or 'lead'"),
        ("data.leads=['II', 'II']", "different names"),
        ("seeds=[-1]", "must not be negative"),
        ("seeds=[]", "at least 1"),
        ("label_fractions=[0.5, 1.5]", "above 0 and at most 1"),
        ("views.crop=[0.9, 0.5]", "crop must be a range"),
        ("methods=['lcdd']", r"Unknown method 'lcdd'; did you mean 'lcd'\?"),
        ("datasets=['ptbx']", r"Unknown dataset 'ptbx'; did you mean 'ptbxl'"),
        ("pretrain_datasets=['ptbx']", r"Unknown dataset 'ptbx'; did you mean 'ptbxl'"),
        ("pretrain_part=test", r"pretrain_part: must be 'train' or 'all' \(got 'test'\)"),
        ("pretrain_dataset=['ptbxl']", r"did you mean 'pretrain_datasets'"),
        ("encoders=['vgg']", "Unknown encoder 'vgg'"),
        ("settings.lcdd.gamma=1", "settings.lcdd"),
    ],
)
def test_what_cannot_be_is_one_sentence(suite_file: Path, assignment: str, complaint: str):
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_suite(str(suite_file), [assignment])
    assert "\n" not in str(caught.value)


def test_unknown_suite_and_broken_file(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no suite 'quik'; did you mean 'quick'\?"):
        load_suite("quik")
    broken = tmp_path / "broken.toml"
    broken.write_text("methods = [")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_suite(str(broken))


def test_protocols_are_the_same_in_the_suite_the_command_line_and_the_library():
    assert get_args(Protocol) == tuple(PROTOCOLS) == tuple(p.value for p in run.Protocol)
    suite = load_suite("quick")
    for name in PROTOCOLS:
        assert suite.settings_of(name).model_config["extra"] == "forbid"
