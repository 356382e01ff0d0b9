"""What differs between two runs, apart from their scores."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lcd_plugin.bench.saved_plan import SavedPlan
from lcd_plugin.bench.suite import read_document
from lcd_plugin.errors import ConfigError
from lcd_plugin.report.collect import Collected, Scored
from lcd_plugin.report.compare.matching import Matched
from lcd_plugin.report.compare.model import Change, Changes
from lcd_plugin.report.differences import differing, flatten

SUITE = "suite.toml"
# Of identities: names of other things, or told elsewhere.
DERIVED = ("pretrain_key", "data", "dataset", "kind", "seed", "label_seed", "label_fraction")


def changes_between(
    out_a: Path, out_b: Path, a: Collected, b: Collected, matched: Matched
) -> Changes:
    """What differs in the settings, the environment and the data.

    Args:
        out_a, out_b: folders of the runs, for their suites.
        a, b: what was read of them.
        matched: their evaluations.
    """
    suites, notes = [], []
    for out in (out_a, out_b):
        try:
            suites.append(read_document(out / SUITE))
        except (OSError, ConfigError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no TOML"
            notes.append(f"The suites are not compared: {SUITE} of {out} cannot be read: {reason}.")
    of_suite = (
        [Change(name=n, a=of_a, b=of_b) for n, (of_a, of_b) in differing(suites).items()]
        if len(suites) == 2
        else []
    )
    told = {change.name for change in of_suite}
    behind = list(_settings(matched))
    # A suite names no defaults; the settings behind its results do.
    full = {change.name: change for change in behind}
    return Changes(
        suite=tuple(
            _folded([full.get(c.name, c) if None in (c.a, c.b) else c for c in of_suite], suites)
        ),
        settings=tuple(c for c in behind if c.name not in told),
        environment=tuple(_of_sets(_environment(a.scored), _environment(b.scored))),
        data=tuple(_data(_plans(a), _plans(b))),
        notes=tuple(notes),
    )


def _folded(changes: Sequence[Change], suites: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    """The changes, with one for each table that only one of the suites has.

    Args:
        changes: of settings by dotted name.
        suites: both of them, or fewer where one cannot be read.
    """
    flat = [flatten(suite) for suite in suites]
    of_table: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        parts = change.name.split(".")
        for n in range(1, len(parts)):
            of_table[".".join(parts[:n])].append(change)
    tables = [
        table
        for table, own in of_table.items()
        if len(own) > 1
        and (all(c.a is None for c in own) or all(c.b is None for c in own))
        and not all(any(name.startswith(f"{table}.") for name in names) for names in flat)
    ]
    told = set()
    for change in changes:
        # A table stands before those within it.
        table = next((t for t in tables if change.name.startswith(f"{t}.")), None)
        if table is None:
            yield change
        elif table not in told:
            told.add(table)
            of_a, of_b = (
                {c.name.removeprefix(f"{table}."): getattr(c, side) for c in of_table[table]}
                for side in "ab"
            )
            only_a = of_table[table][0].b is None
            yield Change(name=table, a=of_a if only_a else None, b=None if only_a else of_b)


def _settings(matched: Matched) -> Iterator[Change]:
    """Settings and versions in which matched results differ."""
    methods: dict[tuple[str, ...], set[str]] = defaultdict(set)
    values: dict[tuple[str, ...], list[Any]] = {}
    for line in matched.lines:
        for pair in line.pairs:
            if pair[0].cell.key == pair[1].cell.key:
                continue
            for name, own in differing(map(_named_settings, pair)).items():
                key = (name, *(json.dumps(v, sort_keys=True, default=str) for v in own))
                methods[key].add(line.name.method)
                values[key] = own
    every = {line.name.method for line in matched.lines}
    for key, (a, b) in values.items():
        of = tuple(sorted(methods[key])) if methods[key] != every else ()
        yield Change(name=key[0], a=a, b=b, of=of)


def _named_settings(run: Scored) -> dict[str, Any]:
    """Settings behind a score, under the names by which a suite would set them."""
    pretraining = run.pretraining.identity if run.pretraining else {}
    protocol = str(run.cell.protocol).replace("-", "_")
    sections = {"config.": f"settings.{run.cell.method}.", "protocol_settings.": f"{protocol}."}
    named = {}
    for name, value in (flatten(pretraining) | flatten(run.result.identity)).items():
        section = next((s for s in sections if name.startswith(s)), "")
        if name not in DERIVED:
            named[sections.get(section, "") + name.removeprefix(section)] = value
    return named


def _environment(scored: Iterable[Scored]) -> list[dict[str, Any]]:
    """Of every result, and of every pretraining behind them."""
    results = {
        id(result): result
        for run in scored
        for result in (run.result, run.pretraining)
        if result is not None
    }
    return [_environment_of(result.provenance) for result in results.values()]


def _environment_of(provenance: Mapping[str, Any]) -> dict[str, Any]:
    kept = {n: provenance.get(n) for n in ("python", "packages", "machine", "git")}
    plugins = provenance.get("plugins")
    named = {
        f"plugin.{role}.{origin['name']}": " ".join(
            str(origin[part]) for part in ("distribution", "version", "code") if origin.get(part)
        )
        for role, origin in (plugins.items() if isinstance(plugins, Mapping) else ())
        if isinstance(origin, Mapping) and "name" in origin
    }
    return flatten(kept) | named


def _of_sets(
    a: Iterable[Mapping[str, Any]], b: Iterable[Mapping[str, Any]], prefix: str = ""
) -> Iterator[Change]:
    """Names that do not have the same values on both sides.

    A plugin that one side only used is no change of it.
    """
    of_a, of_b = _values(a), _values(b)
    for name in dict.fromkeys((*of_a, *of_b)):
        if name.startswith("plugin.") and not (name in of_a and name in of_b):
            continue
        own_a, own_b = of_a.get(name, {}), of_b.get(name, {})
        if own_a.keys() != own_b.keys():
            yield Change(name=prefix + name, a=_one_or_all(own_a), b=_one_or_all(own_b))


def _values(sources: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Values of every name, by their text."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for source in sources:
        for name, value in source.items():
            if value is not None:
                found[name][json.dumps(value, sort_keys=True, default=str)] = value
    return found


def _one_or_all(values: Mapping[str, Any]) -> Any:
    own = [values[text] for text in sorted(values)]
    return own[0] if len(own) == 1 else own or None


def _plans(collected: Collected) -> dict[str, list[dict[str, Any]]]:
    """Summaries of the prepared records by dataset."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    plans: Iterable[SavedPlan] = collected.plans.values()
    for summary in (summary for plan in plans for summary in plan.data):
        found[str(summary["dataset"])].append(summary)
    return found


def _data(
    a: Mapping[str, list[dict[str, Any]]], b: Mapping[str, list[dict[str, Any]]]
) -> Iterator[Change]:
    for dataset in dict.fromkeys((*a, *b)):
        own_a, own_b = a.get(dataset, []), b.get(dataset, [])
        if not own_a or not own_b:
            there = [bool(own_a) or None, bool(own_b) or None]
            yield Change(name=dataset, a=there[0] and "used", b=there[1] and "used")
            continue
        counts_a, counts_b = (list(map(_counts, own)) for own in (own_a, own_b))
        yield from _of_sets(counts_a, counts_b, f"{dataset}.")
        yield from _left_out(dataset, own_a, own_b)


def _counts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary says in numbers and settings."""
    return flatten({n: v for n, v in summary.items() if n not in ("left_out", "dataset")})


def _left_out(
    dataset: str, a: Iterable[dict[str, Any]], b: Iterable[dict[str, Any]]
) -> Iterator[Change]:
    """Records that one side only left out; plans name the first few of them."""
    if any(summary["n_left_out"] > len(summary["left_out"]) for summary in (*a, *b)):
        return  # what is not among the first few may yet be left out
    of_a, of_b = ({str(r) for s in own for r, _ in s["left_out"]} for own in (a, b))
    if of_a != of_b:
        yield Change(
            name=f"{dataset}.left_out", a=sorted(of_a - of_b) or None, b=sorted(of_b - of_a) or None
        )
