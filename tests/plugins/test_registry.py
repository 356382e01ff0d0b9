"""Plugins from real installed distributions: folders with metadata on the search path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS, MethodSpec, Registry

GROUP = "lcd_plugin.methods"
SPEC = """
    from lcd_plugin.plugins import MethodSpec
    SPEC = MethodSpec(name="{name}", implementation="{module}:Heavy", summary="a test")
    class Heavy:
        home = "{module}"
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution with one module and one entry point."""
    modules: list[str] = []
    METHODS.names()  # the registry of everyone has looked before, and remembers

    def do(
        distribution: str,
        name: str,
        code: str = SPEC,
        *,
        attribute: str = "SPEC",
        group: str = GROUP,
        last: bool = False,
    ) -> None:
        module = distribution.replace("-", "_")
        modules.append(module)
        site = tmp_path / distribution
        metadata = site / f"{module}-2.5.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n"
        )
        (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{attribute}\n")
        (site / f"{module}.py").write_text(dedent(code).format(name=name, module=module))
        monkeypatch.syspath_prepend(site)
        if last:
            monkeypatch.setattr(sys, "path", [*sys.path[1:], sys.path[0]])

    yield do
    for module in modules:
        sys.modules.pop(module, None)


def _methods() -> Registry[MethodSpec]:
    """A registry that has not looked yet."""
    return Registry(GROUP, "method", MethodSpec)


class TestThirdParty:
    def test_is_found_beside_the_built_in_ones(self, install: Install) -> None:
        install("ecg-extras", "mine")
        registry = _methods()
        assert set(METHODS.names()) < set(registry.names())
        assert registry.spec("mine").summary == "a test"
        assert registry.load("mine").home == "ecg_extras"
        origin = registry.origin("mine")
        assert (origin.distribution, origin.version) == ("ecg-extras", "2.5")

    def test_names_import_nothing(self, install: Install) -> None:
        install("ecg-extras", "mine", "raise SystemError('imported')")
        registry = _methods()
        assert "mine" in registry.names()
        assert registry.origin("mine").distribution == "ecg-extras"
        assert "ecg_extras" not in sys.modules

    @pytest.mark.parametrize(
        ("code", "shown"),
        [
            ("import no_such_module", "ModuleNotFoundError"),
            ("1 / 0", "ZeroDivisionError"),
            ("def broken(:", "SyntaxError"),
            ("OTHER = 1", "AttributeError"),
        ],
    )
    def test_that_cannot_be_imported_is_named(
        self, install: Install, code: str, shown: str
    ) -> None:
        install("ecg-extras", "mine", code)
        registry = _methods()
        for look in (registry.spec, registry.load):
            with pytest.raises(PluginError, match=r"'mine' of ecg-extras 2\.5") as error:
                look("mine")
            assert shown in str(error.value)
            assert error.value.__cause__ is not None

    def test_that_is_broken_costs_the_others_nothing(self, install: Install) -> None:
        install("ecg-extras", "mine", "1 / 0")
        registry = _methods()
        assert registry.spec("lcd") == METHODS.spec("lcd")
        assert len(registry.names()) == len(METHODS.names()) + 1

    @pytest.mark.parametrize(
        "implementation", ["no_such_module:Heavy", "ecg_extras:Missing", "ecg_extras", ""]
    )
    def test_whose_heavy_object_is_missing(self, install: Install, implementation: str) -> None:
        code = f"""
            from lcd_plugin.plugins import MethodSpec
            SPEC = MethodSpec(name="mine", implementation={implementation!r}, summary="")
        """
        install("ecg-extras", "mine", code)
        registry = _methods()
        assert registry.spec("mine").name == "mine"
        with pytest.raises(PluginError, match=r"'mine' of ecg-extras 2\.5 cannot be loaded"):
            registry.load("mine")

    @pytest.mark.parametrize(
        "code",
        [
            "SPEC = {{'name': 'mine'}}",
            "SPEC = None",
            """
            from lcd_plugin.plugins import MethodSpec
            SPEC = MethodSpec
            """,
            """
            from lcd_plugin.plugins import EncoderSpec
            SPEC = EncoderSpec(name="mine", implementation="a:b", summary="")
            """,
        ],
    )
    def test_that_is_no_spec_of_its_kind(self, install: Install, code: str) -> None:
        install("ecg-extras", "mine", code)
        with pytest.raises(PluginError, match="is not a MethodSpec") as error:
            _methods().spec("mine")
        assert "ecg-extras" in str(error.value)

    def test_that_calls_itself_something_else(self, install: Install) -> None:
        install("ecg-extras", "mine", SPEC.replace("{name}", "yours"))
        with pytest.raises(PluginError, match=r"'mine' of ecg-extras 2\.5 calls itself 'yours'"):
            _methods().spec("mine")

    def test_of_another_group_is_not_seen(self, install: Install) -> None:
        install("ecg-extras", "mine", group="lcd_plugin.encoders")
        assert "mine" not in _methods().names()


class TestOneNameTwice:
    def test_two_distributions_are_both_named(self, install: Install) -> None:
        install("ecg-extras", "mine")
        install("other-extras", "mine")
        registry = _methods()
        assert registry.names().count("mine") == 1
        for look in (registry.spec, registry.load, registry.origin):
            with pytest.raises(PluginError, match="'mine'") as error:
                look("mine")
            assert "ecg-extras" in str(error.value)
            assert "other-extras" in str(error.value)

    def test_built_in_wins_wherever_it_is_installed(self, install: Install) -> None:
        install("ecg-extras", "lcd")
        install("other-extras", "lcd", last=True)
        registry = _methods()
        assert registry.spec("lcd") == METHODS.spec("lcd")
        assert registry.origin("lcd").distribution == "lcd-plugin"
        assert registry.names().count("lcd") == 1


class TestUnknown:
    def test_near_name_is_suggested(self) -> None:
        with pytest.raises(ConfigError, match=r"Unknown method 'simclrr'.*did you mean 'simclr'"):
            METHODS.spec("simclrr")

    @pytest.mark.parametrize("registry", [METHODS, DATASETS, ENCODERS])
    def test_without_a_near_one_all_are_listed(self, registry: Registry[MethodSpec]) -> None:
        for look in (registry.spec, registry.load, registry.origin):
            with pytest.raises(ConfigError, match="known are") as error:
                look("zzzzzzzz")
            assert registry.kind in str(error.value)
            assert all(name in str(error.value) for name in registry.names())


@pytest.mark.parametrize("registry", [METHODS, DATASETS, ENCODERS])
def test_built_in_specs_are_complete(registry: Registry[MethodSpec]) -> None:
    names = registry.names()
    assert names == sorted(set(names))
    assert names
    for name in names:
        spec = registry.spec(name)
        assert spec.name == name
        assert spec.summary
        assert spec.version >= 1
        assert callable(registry.load(name))
        with pytest.raises(AttributeError):
            spec.name = "other"  # type: ignore[misc]


def test_built_in_names() -> None:
    assert {"lcd", "simclr", "byol", "vicreg", "random", "supervised"} <= set(METHODS.names())
    assert {"synthetic", "ptbxl", "wfdb"} <= set(DATASETS.names())
    assert "vgg16_1d" in ENCODERS.names()
