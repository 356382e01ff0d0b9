"""Options and fixtures of the micro-benchmarks; run them by `python -m pytest benchmarks/micro`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

# The naive pipeline (`naive`) and the module of both sides are no installed packages. The processes
# that measure them inherit this path.
sys.path.insert(0, str(Path(__file__).parents[1]))

from sides import do, process
from work import Work

from lcd_plugin.pretrain.device import choose_device, synchronise

METHODS = ("lcd", "simclr", "byol", "vicreg")
ROUNDS = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    """Sizes, methods and the device."""
    group = parser.getgroup("lcd", "LCD micro-benchmarks")
    group.addoption("--records", type=int, default=1024, help="records of an epoch")
    group.addoption("--batch", type=int, default=256, help="records an update")
    group.addoption("--leads", type=int, default=8)
    group.addoption("--samples", type=int, default=2048)
    group.addoption("--device", default="cpu", choices=("cpu", "cuda"))
    group.addoption(
        "--method", action="append", choices=METHODS, help="may be repeated; default: all four"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark a method and a side where it asks for them."""
    if "method" in metafunc.fixturenames:
        metafunc.parametrize("method", metafunc.config.getoption("--method") or METHODS)
    if "side" in metafunc.fixturenames:
        metafunc.parametrize("side", ("naive", "engine"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without pytest-benchmark there is nothing to time with."""
    if config.pluginmanager.hasplugin("benchmark"):
        return
    for item in items:
        item.add_marker(pytest.mark.skip(reason="needs pytest-benchmark: pip install -e .[bench]"))


@pytest.fixture(scope="session")
def work(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Records in a file, of the sizes asked for."""
    option = request.config.getoption
    if option("--device") == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    shape = (option("--records"), option("--leads"), option("--samples"))
    if shape[0] < option("--batch"):
        raise pytest.UsageError("--records must be at least --batch")
    return Work.write(tmp_path_factory.mktemp("work"), shape, option("--batch"), option("--device"))


@pytest.fixture
def timed(benchmark: Any, work: Work) -> Callable[..., Any]:
    """Benchmarks a call, to the end of what it has queued on a GPU; gives the call's last result.

    Few rounds, for a step takes about a second, and one before them to warm up.
    """
    device = choose_device(work.device)  # type: ignore[arg-type]

    def run(group: str, call: Callable[[], Any], iterations: int = 1) -> Any:
        def whole() -> Any:
            result = call()
            synchronise(device)
            return result

        benchmark.group = group
        benchmark.extra_info.update(shape=work.shape, batch=work.batch, device=work.device)
        return benchmark.pedantic(whole, rounds=ROUNDS, warmup_rounds=1, iterations=iterations)

    return run


@pytest.fixture(scope="module")
def remote() -> Iterator[Callable[..., Any]]:
    """Does work in the process of its side (see `sides.do`), kept over a module's benchmarks."""
    started: dict[str, ProcessPoolExecutor] = {}

    def run(side: str, make: Callable[..., Callable[[], Any]], *arguments: Any) -> Any:
        if side not in started:
            started[side] = process(side)  # type: ignore[arg-type]
        return started[side].submit(do, make, *arguments).result()

    yield run
    for executor in started.values():
        executor.shutdown()
