"""`LCD_BENCH_PLUGINS` says whose plugins count."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lcd_plugin.errors import ConfigError
from lcd_plugin.plugins import METHODS, MethodSpec, Registry

VARIABLE = "LCD_BENCH_PLUGINS"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[MethodSpec]:
    """With two distributions beside the built-in one, both of which offer `both`."""
    for distribution in ("ECG_Extras", "other-extras"):
        module = distribution.replace("-", "_").lower()
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        points = "".join(f"{name} = {module}:{name.upper()}\n" for name in (f"of_{module}", "both"))
        (info / "entry_points.txt").write_text(f"[lcd_plugin.methods]\n{points}")
        (tmp_path / f"{module}.py").write_text(
            "from lcd_plugin.plugins import MethodSpec\n"
            f"BOTH = MethodSpec(name='both', implementation='a:b', summary='{module}')\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    yield Registry("lcd_plugin.methods", "method", MethodSpec)
    for module in ("ecg_extras", "other_extras"):
        sys.modules.pop(module, None)


BUILT_IN = {"lcd", "simclr", "random"}


@pytest.mark.parametrize(
    ("value", "added"),
    [
        (None, {"of_ecg_extras", "of_other_extras", "both"}),
        ("", {"of_ecg_extras", "of_other_extras", "both"}),
        ("0", set()),
        ("other-extras", {"of_other_extras", "both"}),
        ("ecg.extras", {"of_ecg_extras", "both"}),
        ("unknown, Other_Extras ,ecg-extras", {"of_ecg_extras", "of_other_extras", "both"}),
        ("unknown", set()),
    ],
)
def test_names_are_those_of_the_distributions_that_count(
    registry: Registry[MethodSpec],
    monkeypatch: pytest.MonkeyPatch,
    value: str | None,
    added: set[str],
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    names = set(registry.names())
    assert names >= BUILT_IN
    assert {n for n in names if n.startswith("of_") or n == "both"} == added
    assert METHODS.spec("lcd").name == "lcd"


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("0", "LCD_BENCH_PLUGINS=0; unset that, or set it to other-extras."),
        ("ecg-extras", "set it to ecg-extras,other-extras."),
    ],
)
def test_what_is_switched_off_says_how_to_switch_it_on(
    registry: Registry[MethodSpec], monkeypatch: pytest.MonkeyPatch, value: str, advice: str
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    for look in (registry.spec, registry.load, registry.origin, registry.fields):
        with pytest.raises(ConfigError) as error:
            look("of_other_extras")
        assert "'of_other_extras' of other-extras 1.0 is switched off by" in str(error.value)
        assert str(error.value).endswith(advice)


def test_switching_one_off_ends_a_quarrel_over_a_name(
    registry: Registry[MethodSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "other-extras")
    assert registry.spec("both").summary == "other_extras"
