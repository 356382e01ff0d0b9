"""From predictions to the leaderboard: means, intervals, paired comparisons, tied ranks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lcd_plugin.bench.provenance import now
from lcd_plugin.bench.results import key_of
from lcd_plugin.evaluate.bootstrap import DRAWS, Interval, interval, patient_weights
from lcd_plugin.evaluate.metrics import METRICS, RARE, macro, per_class
from lcd_plugin.report.collect import Collected, Scored, collect
from lcd_plugin.report.figures import series_names
from lcd_plugin.report.model import DataSummary, Leaderboard, Row

Floats = NDArray[np.float64]
Place = tuple[str, str]  # method and pretraining dataset: what is averaged over seeds and ranked


@dataclass(frozen=True)
class Contender:
    """A method, pretrained on one dataset, in one comparison under one metric.

    Attributes:
        method: its name.
        source: the pretraining dataset; "" for training from scratch.
        entries: its evaluations, one a seed.
        classes: metric by seed and class on the test records, shape (seeds, classes).
        draws: mean over seeds of the macro metric in every bootstrap draw, shape (draws,).
    """

    method: str
    source: str
    entries: list[Scored]
    classes: Floats
    draws: Floats

    @property
    def kind(self) -> str:
        """Kind of the method."""
        return self.entries[0].cell.kind

    @property
    def mean(self) -> float:
        """Macro metric on the test records, mean over seeds."""
        return float(macro(self.classes).mean())


def build_leaderboard(outs: list[Path]) -> Leaderboard:
    """The leaderboard of one or more output folders.

    Raises:
        DataError: a folder holds no run.
    """
    collected = collect(outs)
    found = [pair for c in _comparisons(collected.scored) for pair in _rows(c)]
    rows, names = _named(found)
    return Leaderboard(
        suite=" + ".join(dict.fromkeys(plan.suite for plan in collected.plans)),
        created=now(),
        rows=tuple(rows),
        unfinished=tuple(collected.unfinished),
        data=_data(collected),
        curves=tuple(collected.curves),
        notes=(
            *collected.notes,
            *_class_notes(rows, collected),
            *_seed_notes(rows, names),
            *_machine_notes(rows),
        ),
        provenance=_provenance(collected.scored),
    )


@dataclass(frozen=True)
class _Comparison:
    """Evaluations that can be compared, and how their dataset and protocol are called."""

    dataset: str
    protocol: str
    entries: list[Scored]


def _comparisons(scored: list[Scored]) -> list[_Comparison]:
    """One data, task, encoder, protocol and fraction at a time.

    The supervised baseline has no protocol of its own: it stands in the table of every protocol.
    """
    protocols = list(dict.fromkeys(s.cell.protocol for s in scored if s.cell.kind != "supervised"))
    groups: dict[tuple[str, ...], list[Scored]] = defaultdict(list)
    for entry in scored:
        cell = entry.cell
        own = [cell.protocol] if cell.kind != "supervised" else (protocols or ["scratch"])
        for protocol in own:
            place = (cell.dataset, entry.result.identity["data"], str(protocol))
            rest = (str(cell.task), cell.encoder, str(cell.label_fraction))
            groups[place + rest].append(entry)
    prints: dict[str, set[str]] = defaultdict(set)
    for dataset, data, *_ in groups:
        prints[dataset].add(data)
    return [
        # One name for two sets of records would put scores side by side that cannot be compared.
        _Comparison(f"{name}@{data[:8]}" if len(prints[name]) > 1 else name, protocol, entries)
        for (name, data, protocol, *_), entries in groups.items()
    ]


def _rows(comparison: _Comparison) -> list[tuple[Row, list[Place]]]:
    """Rows of a comparison, each with the lines that it is tied with."""
    weights = patient_weights(comparison.entries[0].patients, DRAWS)
    units = _units(comparison.entries)
    rows: list[tuple[Row, list[Place]]] = []
    for metric in METRICS:
        contenders = [_contender(*unit, metric, seeds, weights) for unit, seeds in units.items()]
        contenders.sort(key=lambda c: -c.mean)
        rows += [_row(comparison, metric, c, contenders) for c in contenders]
    return rows


def _named(found: list[tuple[Row, list[Place]]]) -> tuple[list[Row], list[str]]:
    """Rows with the names of what they are tied with, and their own.

    How a line is called follows from all rows of its table, whatever their fraction and metric.
    """
    tables: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row, _ in found:
        tables[row.dataset, row.task, row.encoder, row.protocol].append(row)
    called = {place: series_names(rows) for place, rows in tables.items()}
    named, own = [], []
    for row, ties in found:
        names = called[row.dataset, row.task, row.encoder, row.protocol]
        named.append(row.model_copy(update={"tied_with": tuple(names[place] for place in ties)}))
        own.append(names[row.method, row.pretrain_dataset])
    return named, own


def _units(entries: list[Scored]) -> dict[Place, list[Scored]]:
    """Entries by method and pretraining dataset: what is averaged over seeds and compared.

    One method under two settings counts as two, named by their hash. Only seeds may be averaged
    over: two folders can hold one method with different settings.
    """
    variants: dict[tuple[str, str, str], list[Scored]] = defaultdict(list)
    for entry in entries:
        variants[(entry.cell.method, _source(entry), _variant(entry))].append(entry)
    units = [(method, source) for method, source, _ in variants]
    return {
        (f"{method}@{variant}" if units.count((method, source)) > 1 else method, source): seeds
        for (method, source, variant), seeds in variants.items()
    }


def _source(entry: Scored) -> str:
    cell = entry.cell
    # Plans from before it was written are of runs in which it was the scored dataset.
    return "" if cell.kind == "supervised" else cell.pretrain_dataset or cell.dataset


def _variant(entry: Scored) -> str:
    """Hash of all settings behind a score but the seed."""
    pretraining = entry.pretraining.identity if entry.pretraining else {}
    own = {k: v for k, v in entry.result.identity.items() if k not in ("seed", "pretrain_key")}
    return key_of({"own": own, "pretraining": {**pretraining, "seed": None}})[:8]


def _contender(
    method: str, source: str, metric: str, entries: list[Scored], weights: Floats
) -> Contender:
    once = np.ones((1, weights.shape[1]))
    classes, draws = [], []
    for e in entries:
        both = per_class(metric, e.targets, e.scores, e.thresholds, np.concatenate([once, weights]))
        classes.append(both[0])
        # A draw may miss a rare class altogether; its mean is then over the others.
        draws.append(macro(both[1:]))
    return Contender(method, source, entries, np.stack(classes), np.mean(draws, axis=0))


def _row(
    comparison: _Comparison, metric: str, own: Contender, contenders: list[Contender]
) -> tuple[Row, list[Place]]:
    first = own.entries[0]
    cell, result = first.cell, first.result
    against = [(c, interval(own.draws - c.draws)) for c in contenders if c is not own]
    bounds = interval(own.draws)
    macros = macro(own.classes)
    positives = first.targets.sum(axis=0)
    rare = tuple(n for n, count in zip(result.classes, positives, strict=True) if count < RARE)
    common = [i for i, count in enumerate(positives) if count >= RARE]
    means = np.mean(own.classes, axis=0)
    row = Row(
        method=own.method,
        kind=cell.kind,
        encoder=cell.encoder,
        pretrain_dataset=own.source,
        dataset=comparison.dataset,
        task=cell.task or "",
        protocol=comparison.protocol,
        label_fraction=cell.label_fraction or 1.0,
        n_labels=result.n_labels,
        metric=metric,
        mean=own.mean,
        ci_low=bounds.low,
        ci_high=bounds.high,
        seed_std=float(macros.std(ddof=1)) if len(macros) > 1 else None,
        n_seeds=len(own.entries),
        n_test=result.n_test,
        rank=1 + sum(i.high < 0 for _, i in against),
        tied_with=(),
        beats_random=_beats_random(own, against),
        mean_without_rare=float(macro(means[common])) if common else own.mean,
        rare_classes=rare,
        per_class={
            n: float(m) for n, m in zip(result.classes, means, strict=True) if not np.isnan(m)
        },
        **_cost(own.entries),
    )
    return row, [(c.method, c.source) for c, i in against if not i.excludes_zero]


def _beats_random(own: Contender, against: list[tuple[Contender, Interval]]) -> bool | None:
    """Against the `random` of the same pretraining dataset; `supervised` against each."""
    lows = [
        i.low
        for c, i in against
        if c.kind == "random" and (c.source == own.source or own.kind == "supervised")
    ]
    return all(low > 0 for low in lows) if lows and own.kind != "random" else None


def _cost(entries: list[Scored]) -> dict[str, Any]:
    """Wall-time and memory of the training behind a score, mean over seeds."""
    trainings = [e.pretraining or e.result for e in entries]
    speeds = [e.pretraining.records_per_s for e in entries if e.pretraining]
    known = [speed for speed in speeds if speed]
    first = entries[0].pretraining
    return {
        "pretrain_wall_s": float(np.mean([t.wall_s for t in trainings])),
        "records_per_s": float(np.mean(known)) if known else None,
        "updates": first.updates if first else None,
        "peak_memory_mb": first.peak_memory_mb if first else None,
        "machine": " / ".join(sorted({_machine(t.provenance) for t in trainings})),
    }


def _machine(provenance: dict[str, Any]) -> str:
    machine: dict[str, Any] = provenance.get("machine", {})
    return str(machine.get("name", "unknown"))


def _class_notes(rows: list[Row], collected: Collected) -> list[str]:
    scored = {(row.dataset.partition("@")[0], row.task) for row in rows}
    return [
        f"{data.dataset} / {task}: not scored, since the training part has no record with the "
        f"class, or none without: {', '.join(classes)}."
        for data in _data(collected)
        for task, classes in data.classes_left_out.items()
        if (data.dataset, task) in scored
    ]


def _seed_notes(rows: list[Row], names: list[str]) -> list[str]:
    most = max((row.n_seeds for row in rows), default=0)
    called = zip(rows, names, strict=True)
    fewer = sorted({f"{name} ({row.n_seeds})" for row, name in called if row.n_seeds < most})
    if not fewer:
        return []
    return [
        f"Some scores are means of fewer than {most} seeds, so their comparisons mix seeds with "
        f"methods: {', '.join(fewer)}."
    ]


def _machine_notes(rows: list[Row]) -> list[str]:
    machines = sorted({row.machine for row in rows})
    if len(machines) < 2:
        return []
    return [f"Results come from {len(machines)} machines: compare wall-time within one only."]


def _data(collected: Collected) -> tuple[DataSummary, ...]:
    summaries = [DataSummary.model_validate(d) for plan in collected.plans for d in plan.data]
    return tuple({s.fingerprint: s for s in summaries}.values())


def _provenance(scored: list[Scored]) -> dict[str, Any]:
    """The newest cell's, which is that of the run but for cells computed before it."""
    if not scored:
        return {}
    newest = max(scored, key=lambda s: s.result.provenance.get("finished", ""))
    return {**newest.result.provenance, "results": len(scored)}
