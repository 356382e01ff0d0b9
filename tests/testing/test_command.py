"""`lcd-bench check-plugin`: a line for each check, and an exit code for a script."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from lcd_plugin.cli.check_plugin import check_plugin_command
from lcd_plugin.plugins import ENCODERS, EncoderSpec
from lcd_plugin.plugins.registry import PluginLoadError

NARROW = ("vgg16_1d", "--set", "vgg16_1d.width=0.05")


def _check_plugin(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(check_plugin_command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_line_for_each_check() -> None:
    done = _check_plugin(*NARROW)
    assert done.exit_code == 0, done.output
    *lines, last = done.stdout.splitlines()
    assert len(lines) == 10
    assert all(line.startswith("encoder 'vgg16_1d'  ") and line.endswith("  ok") for line in lines)
    assert last == "all checks passed"


def test_json_is_one_document() -> None:
    done = _check_plugin(*NARROW, "--json")
    document = json.loads(done.stdout)
    assert (document["schema"], document["plugin"], document["failed"]) == (1, "vgg16_1d", 0)
    first = document["checks"][0]
    assert first.pop("seconds") >= 0
    assert first == {
        "plugin": "encoder 'vgg16_1d'",
        "check": "attributes",
        "about": "It is made with `in_leads` alone and says how many features and leads it has.",
        "status": "ok",
        "message": "",
    }


def test_quick_leaves_training_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from lcd_plugin.testing import kit

    asked: list[dict[str, Any]] = []

    def checks_for(kind: str, name: str, settings: Any, **options: Any) -> list[Any]:
        asked.append({"kind": kind, "settings": settings, **options})
        return []

    monkeypatch.setattr(kit, "checks_for", checks_for)
    _check_plugin("simclr", "--quick", "--set", "simclr.temperature=0.2")
    _check_plugin("simclr")
    assert asked == [
        {"kind": "method", "settings": {"temperature": 0.2}, "slow": False},
        {"kind": "method", "settings": {}, "slow": True},
    ]


def test_a_check_that_fails_is_a_gate() -> None:
    done = _check_plugin("vgg16_1d", "--set", "vgg16_1d.width=7e-3")
    assert done.exit_code == 4
    assert "FAILED  encoder 'vgg16_1d', check attributes: expected no exception" in done.stdout
    assert "vgg16_1d needs in_leads >= 1 and width >= 0.015625" in done.stdout
    assert done.stdout.count("vgg16_1d needs in_leads >= 1") == 1
    assert done.stdout.count("  not checked  attributes failed") == 9
    assert done.stdout.splitlines()[-1] == "1 of 10 checks failed, 9 not checked"


def test_a_dataset_in_a_folder(wfdb_folder: Path) -> None:
    done = _check_plugin(f"wfdb={wfdb_folder}", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 0, done.stdout
    status = {check["check"]: check["status"] for check in document["checks"]}
    assert status["preparation"] == "ok"
    assert status["description"] == "warning"  # no licence: the records are the user's


def test_a_warning_does_not_fail(wfdb_folder: Path) -> None:
    done = _check_plugin(f"wfdb={wfdb_folder}")
    assert done.exit_code == 0
    assert "description     warning  dataset 'wfdb': its spec names no licence" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["simclrr"], 2, "Error: Unknown plugin 'simclrr'; did you mean 'simclr'?"),
        (["random"], 2, "Error: 'random' is a baseline"),
        (["vgg16_1d", "--set", "vgg.width=1"], 2, "unknown key 'vgg'"),
        (["wfdb=/no/such/folder"], 5, "there is no folder /no/such/folder"),
    ],
)
def test_what_cannot_be_checked(arguments: list[str], code: int, word: str) -> None:
    done = _check_plugin(*arguments)
    assert done.exit_code == code
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plugin_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Any:
        raise PluginLoadError("The encoder 'vgg16_1d' of mine 1.0 cannot be loaded: no torch")

    monkeypatch.setattr(ENCODERS, "load", load)
    done = _check_plugin("vgg16_1d")
    assert done.exit_code == 5
    assert done.stderr == "Error: The encoder 'vgg16_1d' of mine 1.0 cannot be loaded: no torch\n"


def test_a_plugin_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "my_kit_encoder.py"
    file.write_text(
        dedent("""
            from torch import nn

            from lcd_plugin.plugins import EncoderSpec

            SPEC = EncoderSpec(
                name="my_kit_encoder", implementation="my_kit_encoder:make", summary="mine"
            )


            def make(in_leads: int = 1) -> nn.Module:
                network = nn.Sequential(
                    nn.Conv1d(in_leads, 4, 8), nn.AdaptiveAvgPool1d(1), nn.Flatten()
                )
                network.num_features = 5
                return network
        """)
    )
    done = _check_plugin("my_kit_encoder", "--plugin", file)
    assert done.exit_code == 4, done.output
    assert "expected features of shape (4, 5)" in done.stdout
    assert issubclass(type(ENCODERS.spec("my_kit_encoder")), EncoderSpec)
