"""Plugins from real installed distributions: folders with metadata on the search path."""

from __future__ import annotations

import importlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from lcd_plugin.errors import ConfigError, PluginError
from lcd_plugin.plugins import DATASETS, ENCODERS, METHODS, MethodSpec, Registry
from lcd_plugin.plugins.registry import PluginLoadError

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
        assert (origin.distribution, origin.version, origin.own) == ("ecg-extras", "2.5", False)

    def test_names_import_nothing(self, install: Install) -> None:
        install("ecg-extras", "mine", "raise SystemError('imported')")
        registry = _methods()
        assert "mine" in registry.names()
        assert registry.origin("mine").distribution == "ecg-extras"
        assert "ecg_extras" not in sys.modules

    def test_what_its_spec_says_is_read_without_importing_it_here(self, install: Install) -> None:
        install("ecg-extras", "mine")
        assert _methods().fields("mine")["summary"] == "a test"
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
            with pytest.raises(PluginLoadError, match=r"'mine' of ecg-extras 2\.5") as error:
                look("mine")
            assert f" from ecg_extras:SPEC: {shown}" in str(error.value)
            assert "Traceback" in error.value.traceback
            assert shown in error.value.traceback

    def test_that_is_broken_costs_the_others_nothing(self, install: Install) -> None:
        install("ecg-extras", "mine", "1 / 0")
        registry = _methods()
        assert registry.spec("lcd") == METHODS.spec("lcd")
        assert len(registry.names()) == len(METHODS.names()) + 1

    @pytest.mark.parametrize("implementation", ["no_such_module:Heavy", "ecg_extras:Missing"])
    def test_whose_heavy_object_is_missing(self, install: Install, implementation: str) -> None:
        code = f"""
            from lcd_plugin.plugins import MethodSpec
            SPEC = MethodSpec(name="mine", implementation={implementation!r}, summary="")
        """
        install("ecg-extras", "mine", code)
        registry = _methods()
        assert registry.spec("mine").name == "mine"
        with pytest.raises(PluginLoadError) as error:
            registry.load("mine")
        sentence = f"'mine' of ecg-extras 2.5 cannot be loaded from {implementation}: "
        assert sentence in str(error.value)

    @pytest.mark.parametrize(
        ("values", "complaint"),
        [
            ("implementation=''", "ValueError: MethodSpec: implementation must be "),
            ("implementation='ecg_extras'", "\"package.module:object\", got 'ecg_extras'"),
            ("implementation='ecg extras:Heavy'", "implementation must be"),
            (
                "implementation=None",
                "TypeError: MethodSpec: implementation must be of type str, got",
            ),
            ("implementation='a:b', version='2'", "version must be of type int, got '2'"),
            ("implementation='a:b', version=True", "version must be of type int, got True"),
            ("implementation='a:b', version=0", "version must be at least 1, got 0"),
            ("implementation='a:b', kind='clever'", "kind must be one of 'pretraining', "),
            ("implementation='a:b', sumary='x'", "unexpected keyword argument 'sumary'"),
        ],
    )
    def test_whose_spec_has_a_wrong_value(
        self, install: Install, values: str, complaint: str
    ) -> None:
        code = f"""
            from lcd_plugin.plugins import MethodSpec
            SPEC = MethodSpec(name="mine", summary="", {values})
        """
        install("ecg-extras", "mine", code)
        with pytest.raises(PluginLoadError) as error:
            _methods().spec("mine")
        assert "'mine' of ecg-extras 2.5 cannot be loaded from ecg_extras:SPEC" in str(error.value)
        assert complaint in str(error.value)

    @pytest.mark.parametrize(
        ("code", "end"),
        [
            ("import time; time.sleep(60)", "it took longer than 1 s"),
            ("import os; os._exit(3)", "it ended the process with code 3"),
            ("import os; os._exit(0)", "it ended the process with code 0"),
            ("import os; os.kill(os.getpid(), 9)", "signal 9 (Killed)"),
            ("import sys; sys.exit(7)", "SystemExit: 7"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ],
    )
    def test_that_ends_or_hangs_a_process_does_so_to_another_one(
        self, install: Install, monkeypatch: pytest.MonkeyPatch, code: str, end: str
    ) -> None:
        monkeypatch.setenv("LCD_BENCH_PLUGIN_TIMEOUT", "1")
        install("ecg-extras", "mine", code)
        began = time.monotonic()
        with pytest.raises(PluginLoadError) as error:
            _methods().load("mine")
        assert "cannot be loaded from ecg_extras:SPEC" in str(error.value)
        assert end in str(error.value)
        assert time.monotonic() - began < 10

    def test_that_ends_while_another_hangs_keeps_its_own_reason(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where the time limit is over before anybody asks how it ended."""
        monkeypatch.setenv("LCD_BENCH_PLUGIN_TIMEOUT", "1")
        monkeypatch.setattr(os, "cpu_count", lambda: 3)
        install("ecg-one", "one", "import time; time.sleep(60)")
        install("ecg-two", "two", "import os; os._exit(1)")
        install("ecg-three", "three", "import os; os.write(2, b'Timeout (\\n'); os._exit(3)")
        registry = _methods()
        registry.probe(["one", "two", "three"])
        says = {name: registry.report(registry.chosen(name)) for name in ("one", "two", "three")}
        assert "it took longer than 1 s" in says["one"].error
        assert "it ended the process with code 1" in says["two"].error
        assert "it ended the process with code 3" in says["three"].error

    def test_that_hangs_shows_where(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LCD_BENCH_PLUGIN_TIMEOUT", "1")
        install("ecg-extras", "mine", "import time\nx = 1\ntime.sleep(60)")
        with pytest.raises(PluginLoadError) as error:
            _methods().spec("mine")
        assert 'ecg_extras.py", line 3' in error.value.traceback

    def test_leaves_no_process_behind(self, install: Install, tmp_path: Path) -> None:
        """Nor does what it started keep us waiting."""
        beats = tmp_path / "beats"
        beat = "import sys, time\nwhile True: open(sys.argv[1], 'a').write('.'); time.sleep(0.02)"
        code = f"""
            import pathlib, subprocess, sys, time
            subprocess.Popen([sys.executable, "-c", {beat!r}, {str(beats)!r}])
            while not pathlib.Path({str(beats)!r}).exists():
                time.sleep(0.01)
            1 / 0
        """
        install("ecg-extras", "mine", code)
        with pytest.raises(PluginLoadError, match="ZeroDivisionError"):
            _methods().spec("mine")
        before = beats.read_text()
        time.sleep(0.5)
        assert beats.read_text() == before

    def test_keeps_standard_output_clean(
        self, install: Install, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The process that tries it out says nothing; here it is imported, and prints to stderr."""
        install("ecg-extras", "mine", SPEC + "    print('garbage')")
        registry = _methods()
        registry.probe(["mine"])
        assert capfd.readouterr() == ("", "")
        registry.load("mine")
        assert capfd.readouterr() == ("", "garbage\n")

    def test_is_heard_where_every_python_prints(
        self, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.syspath_prepend(tmp_path)
        code = (
            "import sys; print('hello'); print([1]); print('{}'); print('no end', end='', flush=1)"
        )
        (tmp_path / "sitecustomize.py").write_text(code)
        install("ecg-extras", "mine")
        assert _methods().fields("mine")["name"] == "mine"

    def test_may_write_to_the_descriptor_of_standard_output(self, install: Install) -> None:
        code = SPEC + "    import os; os.system('echo garbage'); os.write(1, b'more')"
        install("ecg-extras", "mine", code)
        assert _methods().fields("mine")["name"] == "mine"

    def test_is_tried_once(self, install: Install, tmp_path: Path) -> None:
        """The first load takes one child for its spec and its class, later ones take none."""
        log = tmp_path / "log"
        code = SPEC + f"\n    import os; open({str(log)!r}, 'a').write(f'{{{{os.getpid()}}}}\\n')\n"
        install("ecg-extras", "mine", code)
        registry = _methods()
        registry.spec("mine")
        registry.load("mine")
        registry.origin("mine")
        registry.load("mine")
        pids = log.read_text().split()
        assert len(pids) == 2
        assert pids[1] == str(os.getpid()) != pids[0]

    def test_several_are_tried_at_a_time(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "cpu_count", lambda: 3)
        for name in ("one", "two", "three"):
            install(f"ecg-{name}", name, "import time; time.sleep(1.5)\n" + dedent(SPEC))
        registry = _methods()
        began = time.monotonic()
        registry.probe(registry.names())
        assert time.monotonic() - began < 4
        assert [registry.fields(name)["name"] for name in ("one", "two")] == ["one", "two"]

    @pytest.mark.parametrize("limit", ["soon", "0", "-1", "inf"])
    def test_time_limit_must_be_a_number(
        self, install: Install, monkeypatch: pytest.MonkeyPatch, limit: str
    ) -> None:
        monkeypatch.setenv("LCD_BENCH_PLUGIN_TIMEOUT", limit)
        install("ecg-extras", "mine")
        with pytest.raises(ConfigError, match="positive number of seconds"):
            _methods().spec("mine")

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


class TestMetadata:
    def test_that_cannot_be_read_costs_its_own_distribution(
        self, install: Install, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        install("ecg-extras", "mine")
        install("other-extras", "yours")
        points = tmp_path / "other-extras" / "other_extras-2.5.dist-info" / "entry_points.txt"
        points.write_text(f"[{GROUP}]\nno equals sign\n")
        names = _methods().names()
        assert "mine" in names
        assert "yours" not in names
        assert set(METHODS.names()) < set(names)
        assert "other_extras-2.5.dist-info cannot be read" in caplog.text


class TestOneNameTwice:
    def test_two_distributions_are_both_named(self, install: Install) -> None:
        install("ecg-extras", "mine")
        install("other-extras", "mine")
        registry = _methods()
        assert registry.names().count("mine") == 1
        for look in (registry.spec, registry.load, registry.fields):
            with pytest.raises(PluginError, match="'mine'") as error:
                look("mine")
            assert "ecg-extras" in str(error.value)
            assert "other-extras" in str(error.value)
        assert registry.origin("mine").distribution == "ecg-extras and other-extras"

    def test_built_in_wins_wherever_it_is_installed(self, install: Install) -> None:
        install("ecg-extras", "lcd")
        install("other-extras", "lcd", last=True)
        registry = _methods()
        assert registry.spec("lcd") == METHODS.spec("lcd")
        assert registry.origin("lcd").distribution == "lcd-plugin"
        assert registry.names().count("lcd") == 1


class TestCode:
    def test_changes_with_any_file_of_the_package_and_with_nothing_else(
        self, install: Install, tmp_path: Path
    ) -> None:
        spec = SPEC.replace('"{module}:Heavy"', '"heavy_extras.inner.net:Net"')
        install("ecg-extras", "mine", spec)
        inner = tmp_path / "ecg-extras" / "heavy_extras" / "inner"
        inner.mkdir(parents=True)
        for folder in (inner, inner.parent):
            (folder / "__init__.py").write_text("")
        (inner / "net.py").write_text("1 / 0")  # read, never imported

        def code() -> str:
            return _methods().origin("mine").code

        first = code()
        assert re.fullmatch("[0-9a-f]{16}", first)
        (tmp_path / "ecg-extras" / "ecg_extras.py").open("a").write("\n# of another package\n")
        (inner / "notes.txt").write_text("no code")
        assert code() == first
        (inner.parent / "losses.py").write_text("x = 1")
        second = code()
        assert second != first
        (inner.parent / "losses.py").rename(inner.parent / "other.py")
        assert code() not in (first, second)
        assert "heavy_extras" not in sys.modules

    def test_does_not_depend_on_where_it_is_installed(self, install: Install) -> None:
        install("ecg-extras", "mine")
        registry = _methods()
        folder = Path(sys.path[0])
        first = registry.origin("mine").code
        moved = folder.rename(folder.with_name("elsewhere"))
        sys.path[0] = str(moved)
        importlib.invalidate_caches()
        assert _methods().origin("mine").code == first != ""

    def test_of_a_built_in_one_is_that_of_its_own_file(self) -> None:
        codes = {name: METHODS.origin(name).code for name in ("lcd", "simclr", "random")}
        assert len(set(codes.values())) == 3
        assert codes["random"] == METHODS.origin("supervised").code
        assert all(METHODS.origin(name).own for name in codes)


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
