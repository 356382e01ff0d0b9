"""Suites from anywhere: one that can be planned, or one sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import damaged, fuzz, mutated
from typer.testing import CliRunner

from lcd_plugin.bench.suite import Suite, bundled_suites, load_suite
from lcd_plugin.bench.toml import dump_toml
from lcd_plugin.cli.main import app
from lcd_plugin.errors import ConfigError

TEXTS = [path.read_text() for path in bundled_suites().values()]


def read(path: Path, text: str | bytes) -> Suite | None:
    """The suite of a text; None if it is refused with a sentence."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
    try:
        return load_suite(str(path))
    except ConfigError as error:
        assert 10 < len(str(error)) < 5000  # noqa: PT017 others end well
        return None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "suite.toml"


@fuzz
@given(text=st.sampled_from(TEXTS).flatmap(lambda text: damaged(text.encode())))
def test_damaged_suites(text: bytes, file: Path):
    read(file, text)


@fuzz
@given(document=st.sampled_from(TEXTS).flatmap(lambda text: mutated(tomllib.loads(text))))
def test_changed_suites(document: object, file: Path):
    try:
        text = dump_toml(document)  # type: ignore[arg-type]
    except (AttributeError, TypeError, ValueError, OverflowError):
        return
    suite = read(file, text)
    if suite is not None:
        # What is saved beside results is read as the same.
        assert read(file, dump_toml(suite.model_dump(mode="json"))) == suite


HEAD = 'methods = ["random"]\ndatasets = ["synthetic"]\n'
HOSTILE = {
    "nested lists": HEAD + "seeds = " + "[" * 50_000 + "]" * 50_000,
    "nested tables": HEAD + "a = " + "{a=" * 50_000 + "1" + "}" * 50_000,
    "dotted": HEAD + "settings" + ".a" * 50_000 + " = 1",
    "digits": HEAD + "limit = " + "9" * 5000,
    "hexadecimal": HEAD + "limit = -0x" + "f" * 5000,
    "many seeds": HEAD + f"seeds = {list(range(50_000))}",
    "a seed beyond 64 bits": HEAD + "seeds = [0x1ffffffffffffffff]",
    "many recipes": HEAD + "".join(f"[recipes.r{i}]\n" for i in range(5000)),
    "control characters": HEAD + '"\\u001b[31m" = 1',
    "not UTF-8": b"\xff\xfe",
    "epochs that are no number": HEAD + "pretrain.epochs = nan",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_suites_are_refused_with_a_sentence(file: Path, name: str):
    assert read(file, HOSTILE[name]) is None


@pytest.mark.parametrize("value", ["[" * 50_000, "9" * 5000])
def test_a_setting_that_is_no_value_is_text(file: Path, value: str):
    suite = read(file, HEAD + f'encoders = ["vgg16_1d:width={value}"]')
    assert suite is not None
    assert suite.encoder(suite.encoders[0]).settings == {"width": value}


@pytest.mark.parametrize(
    "line",
    [
        '[settings.wfdb]\npath = "https://ada:hunter2@example.org/x"',
        '[settings.wfdb]\napi_key = "hunter2"',
        '[recipes.a.settings.lcd]\nsecret = "hunter2"',
        'encoders = ["timm2d:hub_token=hunter2"]',
    ],
)
def test_settings_that_look_like_secrets_are_refused(file: Path, line: str):
    file.write_text(HEAD + line)
    with pytest.raises(ConfigError, match="looks like a secret") as refused:
        load_suite(str(file))
    assert "hunter2" not in str(refused.value)


def test_settings_with_harmless_names_are_not(file: Path):
    suite = read(file, HEAD + 'encoders = ["vit1d_xs:lead_tokens=true"]')
    assert suite is not None


def test_what_a_suite_says_does_not_steer_the_terminal(file: Path):
    file.write_text(HEAD + '"\\u001b[31m\\u202e" = 1')
    done = CliRunner().invoke(app, ["run", str(file), "-o", str(file.with_name("out"))])
    assert done.exit_code == 2
    assert "Unknown key" in done.output
    assert all(c == "\n" or c.isprintable() for c in done.output)
