"""Which evaluations can be compared, and which are averaged into one line of a comparison."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lcd_plugin.bench.results import PretrainResult, key_of
from lcd_plugin.report.model import Place

if TYPE_CHECKING:
    from lcd_plugin.report.collect import Scored

# What the names of protocols with the paper's settings end in.
PAPER = "-paper"


@dataclass(frozen=True)
class Table:
    """Evaluations on one set of test records with one encoder, protocol and set of leads.

    Attributes:
        dataset: its name; `name@version` where there are several sets of test records under it.
        task, encoder, protocol, leads: what the evaluations have in common. Training from scratch
            has no probe: `scratch` stands in the tables of all protocols but the paper's, and
            `scratch-paper`, with the paper's settings, in the tables of those.
        lines: evaluations of finished encoders at all label fractions.
        snapshots: evaluations of encoders under way.
    """

    dataset: str
    task: str
    encoder: str
    protocol: str
    leads: str
    lines: dict[Place, list[Scored]]
    snapshots: list[Scored]

    @property
    def setting(self) -> dict[str, str]:
        """What everything that is said of it has in common, as the report's documents name it."""
        return {
            "dataset": self.dataset,
            "task": self.task,
            "encoder": self.encoder,
            "protocol": self.protocol,
            "leads": self.leads,
        }

    @property
    def fractions(self) -> list[float]:
        """Label fractions with results, ascending."""
        return sorted({fraction_of(run) for runs in self.lines.values() for run in runs})

    def at(self, fraction: float) -> dict[Place, list[Scored]]:
        """What is compared at a label fraction: the runs of every line that has it."""
        chosen = {
            place: [run for run in runs if fraction_of(run) == fraction]
            for place, runs in self.lines.items()
        }
        return {place: runs for place, runs in chosen.items() if runs}


def make_tables(scored: Iterable[Scored]) -> list[Table]:
    """Evaluations by what makes them comparable, in the order in which they first appear."""
    scored = list(scored)
    known: dict[tuple[Any, ...], str] = {}
    # All that evaluations of one table have in common but the protocol; and the protocols of each
    # that encoders were scored under, whose tables take in training from scratch.
    settings = [
        (e.cell.dataset, _test_records(e, known), str(e.cell.task), e.cell.encoder, e.cell.leads)
        for e in scored
    ]
    protocols: dict[tuple[str, ...], list[str]] = defaultdict(list)
    versions: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry, setting in zip(scored, settings, strict=True):
        dataset, records, task = setting[:3]
        versions[dataset, task].add(records)
        if entry.cell.kind != "supervised" and entry.cell.snapshot is None:
            protocols[setting].append(str(entry.cell.protocol))
    groups: dict[tuple[tuple[str, ...], str], list[Scored]] = defaultdict(list)
    for entry, setting in zip(scored, settings, strict=True):
        for protocol in _tables_of(entry, protocols[setting]):
            groups[setting, protocol].append(entry)
    tables = []
    for ((name, records, task, encoder, leads), protocol), entries in groups.items():
        # One name for two sets of records would put scores side by side that cannot be compared.
        dataset = f"{name}@{records[:8]}" if len(versions[name, task]) > 1 else name
        finished = [e for e in entries if e.cell.snapshot is None]
        snapshots = [e for e in entries if e.cell.snapshot is not None]
        if finished:
            lines = _lines(finished)
            tables.append(Table(dataset, task, encoder, protocol, leads, lines, snapshots))
    return tables


def _tables_of(entry: Scored, protocols: Iterable[str]) -> list[str]:
    """Protocols in whose tables an evaluation stands.

    Args:
        entry: the evaluation.
        protocols: those under which encoders were scored, in its setting.
    """
    if entry.cell.kind != "supervised":
        return [str(entry.cell.protocol)]
    paper = str(entry.cell.protocol).endswith(PAPER)
    alike = [p for p in dict.fromkeys(protocols) if p.endswith(PAPER) == paper]
    return alike or ["scratch" + PAPER * paper]


def fraction_of(run: Scored) -> float:
    """The label fraction of an evaluation."""
    return run.cell.label_fraction or 1.0


def label_seed_of(run: Scored) -> int:
    """The seed of the label subset; older plans used the pretraining's."""
    return run.cell.seed if run.cell.label_seed is None else run.cell.label_seed


def data_of(run: Scored) -> str:
    """Fingerprint of the prepared records that were scored."""
    return str(run.result.identity["data"])


def _test_records(entry: Scored, known: dict[tuple[Any, ...], str]) -> str:
    """Hash of whom the test records are of and what they show, whatever their normalisation.

    Args:
        entry: the evaluation.
        known: hashes by what they are of; many evaluations share their arrays.
    """
    which = id(entry.patients), id(entry.targets), entry.result.classes
    if which not in known:
        names = "\n".join([*map(str, entry.patients), "", *entry.result.classes])
        content = f"{entry.targets.shape}\n{names}\n".encode()
        known[which] = hashlib.sha256(content + entry.targets.tobytes()).hexdigest()
    return known[which]


def _lines(entries: list[Scored]) -> dict[Place, list[Scored]]:
    """Entries by line.

    Settings make a line, and recipes only name it. One method under two settings counts as two,
    named by their hash, where no recipe tells them apart: two folders can hold one method with
    different settings, and only seeds may be averaged over.
    """
    variants: dict[tuple[Place, str], list[Scored]] = defaultdict(list)
    for entry in entries:
        variants[_place(entry), _variant(entry)].append(entry)
    places = [place for place, _ in variants]
    return {
        place._replace(method=f"{place.method}@{variant[:8]}")
        if places.count(place) > 1
        else place: runs
        for (place, variant), runs in variants.items()
    }


def _place(entry: Scored) -> Place:
    cell = entry.cell
    # Plans from before it was written are of runs in which it was the scored dataset.
    source = "" if cell.kind == "supervised" else cell.pretrain_dataset or cell.dataset
    return Place(cell.method, cell.recipe, source)


def _variant(entry: Scored) -> str:
    return key_of(settings_behind(entry))


def recipe_settings_of(entry: Scored) -> str:
    """Hash of the settings behind a score that a recipe is the name of.

    It is the same whatever is predicted from which leads: a line has one recipe in all tables.
    """
    settings = settings_behind(entry)
    for name in ("task", "leads"):
        settings["own"].pop(name, None)
    return key_of(settings)


def training_of(pretraining: PretrainResult) -> str:
    """Hash of the settings behind a pretraining, without its seed."""
    return key_of(_without_seed(pretraining))


def settings_behind(entry: Scored) -> dict[str, Any]:
    """All settings behind a score but the seeds and the number of labels."""
    differ = ("seed", "label_seed", "label_fraction", "pretrain_key")
    own = {k: v for k, v in entry.result.identity.items() if k not in differ}
    return {"own": own, "pretraining": _without_seed(entry.pretraining)}


def _without_seed(pretraining: PretrainResult | None) -> dict[str, Any]:
    return {**(pretraining.identity if pretraining else {}), "seed": None}
