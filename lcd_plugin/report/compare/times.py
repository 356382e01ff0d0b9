"""Wall-time of two runs, where one machine computed both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from lcd_plugin.bench.results import PretrainResult
from lcd_plugin.report.compare.matching import Matched
from lcd_plugin.report.compare.model import TimeDifference, Times

# What a machine is, of what provenance says of it. The version of torch is no part of it: what a
# new one costs or gains is what some compare runs for, and it stands among the changes. Nothing
# that one machine says differently from time to time, such as its clock rate, is among them.
MACHINE = ("name", "processor", "cores", "threads", "device", "system")

_Key: TypeAlias = tuple[str, str, str, str]
_Pair: TypeAlias = tuple[PretrainResult, PretrainResult]


def compare_times(matched: Matched) -> Times:
    """Time of the pretrainings behind matched scores, seed by seed."""
    lines, elsewhere, torches = [], [], set[tuple[str, str]]()
    for (method, recipe, encoder, source), pairs in _pretrainings(matched).items():
        own = [pair for pair in pairs if _on_one_machine(*pair)]
        elsewhere += [(method, *pair) for pair in pairs if not _on_one_machine(*pair)]
        torches |= {(_torch(a), _torch(b)) for a, b in own if _torch(a) != _torch(b)}
        if own:
            lines.append(
                TimeDifference(
                    method=method,
                    recipe=recipe,
                    encoder=encoder,
                    pretrain_dataset=source,
                    **_ratios(own),
                )
            )
    notes = [*_machine_notes(elsewhere), *_torch_notes(torches)]
    return Times(lines=tuple(lines), notes=tuple(notes))


def _pretrainings(matched: Matched) -> dict[_Key, list[_Pair]]:
    """Pretrainings of both runs by line, one pair a seed."""
    found: dict[_Key, dict[int, _Pair]] = defaultdict(dict)
    for line in matched.lines:
        name = line.name
        for a, b in line.pairs:
            # `random` learns nothing, so that its time is that of reading.
            if b.cell.kind == "pretraining" and a.pretraining and b.pretraining:
                key = (name.method, name.recipe, name.encoder, name.pretrain_dataset)
                found[key][b.cell.seed] = a.pretraining, b.pretraining
    return {key: list(by_seed.values()) for key, by_seed in found.items()}


def _machine(result: PretrainResult) -> dict[str, Any]:
    """The stable part of the machine's description; empty where it is not known."""
    machine = result.provenance.get("machine")
    if not isinstance(machine, Mapping):
        return {}
    return {name: machine[name] for name in MACHINE if name in machine}


def _torch(result: PretrainResult) -> str:
    machine = result.provenance.get("machine")
    return str(machine.get("torch", "")) if isinstance(machine, Mapping) else ""


def _on_one_machine(a: PretrainResult, b: PretrainResult) -> bool:
    return bool(_machine(a)) and _machine(a) == _machine(b)


def _ratios(pairs: list[_Pair]) -> dict[str, Any]:
    seconds = np.array([(a.wall_s, b.wall_s) for a, b in pairs])
    mean_a, mean_b = seconds.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_seed = seconds[:, 1] / seconds[:, 0]
        ratio = mean_b / mean_a
    speeds = [(a.records_per_s, b.records_per_s) for a, b in pairs]
    known = np.array([(a, b) for a, b in speeds if a and b])
    speed_a, speed_b = known.mean(axis=0).tolist() if len(known) else (None, None)
    return {
        "n_seeds": len(pairs),
        "seconds_a": float(mean_a),
        "seconds_b": float(mean_b),
        "ratio": float(ratio),
        "ratio_low": float(by_seed.min()),
        "ratio_high": float(by_seed.max()),
        "records_per_s_a": speed_a,
        "records_per_s_b": speed_b,
        "records_per_s_ratio": speed_b / speed_a if speed_a and speed_b else None,
        "same_results": sum(a == b for a, b in pairs),
    }


def _machine_notes(
    elsewhere: list[tuple[str, PretrainResult, PretrainResult]],
) -> Iterator[str]:
    if not elsewhere:
        return
    methods = ", ".join(dict.fromkeys(method for method, _, _ in elsewhere))
    fields = {
        name
        for _, a, b in elsewhere
        for name in MACHINE
        if _machine(a).get(name) != _machine(b).get(name)
    }
    shown = "; ".join(
        f"{name}: {_all(name, [a for _, a, _ in elsewhere])} against "
        f"{_all(name, [b for _, _, b in elsewhere])}"
        for name in MACHINE
        if name in fields
    )
    yield (
        f"Times are not compared, since the machines are not the same or not known, for {methods}"
        f"{f' ({shown})' if shown else ''}."
    )


def _all(name: str, results: list[PretrainResult]) -> str:
    return ", ".join(dict.fromkeys(str(_machine(r).get(name, "unknown")) for r in results))


def _torch_notes(torches: set[tuple[str, str]]) -> Iterator[str]:
    for a, b in sorted(torches):
        yield f"The machine is the same, but A ran with torch {a or '?'} and B with {b or '?'}."
