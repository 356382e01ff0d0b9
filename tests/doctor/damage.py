"""Ways to damage a sound run, and what must be said of each."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lcd_plugin.bench.results import key_of, seal_of

NOBODY = "host.00000000.1.1.0"  # a runner of a start of a system that never was


def first(out: Path, kind: str) -> Path:
    """The first cell of a kind."""
    return min((out / kind).iterdir())


def edit(path: Path, change: Callable[[Any], None], seal: bool = False) -> None:
    """Change a document by hand, or with its seal as no hand would."""
    document = json.loads(path.read_text())
    change(document)
    if seal:
        document["seal"] = seal_of(document)
    path.write_text(json.dumps(document, indent=1))


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Put another file in place of one, with a result that vouches for it."""
    (folder / name).write_bytes(content)

    def vouch(result: Any) -> None:
        result["files"][name] = hashlib.sha256(content).hexdigest()
        result["sizes"][name] = len(content)

    edit(folder / "result.json", vouch, seal=True)


def flip(path: Path) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def put(path: Path, content: str = "x") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)


def half_write(out: Path) -> None:
    (first(out, "evaluate") / "result.json").unlink()


def other_identity(out: Path) -> None:
    path = first(out, "evaluate") / "result.json"
    edit(path, lambda result: result["identity"].update(seed=7), seal=True)


def renamed_within(out: Path) -> None:
    folder = first(out, "evaluate")
    folder.rename(folder.with_name("0" * 16))


def keyless_copy(out: Path) -> None:
    folder = first(out, "evaluate")
    folder.rename(folder.with_name(f"{folder.name} (copy)"))


def link_outwards(out: Path) -> None:
    outside = out.parent / "outside"
    outside.write_bytes(b"not to be touched")
    path = first(out, "evaluate") / "predictions.npz"
    path.unlink()
    path.symlink_to(outside)


def link_cells(out: Path) -> None:
    outside = out.parent / "moved"
    (out / "evaluate").rename(outside)
    (out / "evaluate").symlink_to(outside)


def older_version(out: Path) -> None:
    """One method's result of an older version under the key of the plan."""
    plan = json.loads((out / "plan.json").read_text())
    for number, cell in enumerate(plan["evaluate"]):
        folder = out / "evaluate" / cell["key"]
        result = json.loads((folder / "result.json").read_text())
        result["identity"]["engine"] = 1 if number == 0 else 2
        result["key"] = key_of(result["identity"])
        result["seal"] = seal_of(result)
        (folder / "result.json").write_text(json.dumps(result))
        folder.rename(folder.with_name(result["key"]))
        cell["key"] = result["key"]
    (out / "plan.json").write_text(json.dumps(plan))


def dead_runner(out: Path) -> None:
    from lcd_plugin.bench.runners import new_name

    parts = new_name().split(".")
    parts[3] = "1"  # this process number, but started when the system was
    put(out / "runners" / f"{'.'.join(parts)}.json", "{}")


@dataclass(frozen=True)
class Damage:
    """A way to damage a run.

    Attributes:
        do: what is done to it.
        kind: of the finding that is expected, and of no other problem.
        mendable: whether it is sound after mending.
    """

    do: Callable[[Path], Any]
    kind: str
    mendable: bool = True


PROBLEMS = {
    "a result without its end": Damage(
        lambda out: cut(first(out, "evaluate") / "result.json"), "unreadable"
    ),
    "a result that is something else": Damage(
        lambda out: put(first(out, "pretrain") / "result.json", "[]"), "unreadable"
    ),
    "a number changed by hand": Damage(
        lambda out: edit(
            first(out, "evaluate") / "result.json", lambda r: r["macro"].update(auroc=0.99)
        ),
        "changed",
    ),
    "a seal taken away": Damage(
        lambda out: edit(first(out, "evaluate") / "result.json", lambda r: r.update(seal=None)),
        "changed",
    ),
    "other settings under the same key": Damage(other_identity, "changed"),
    "a result in another cell's folder": Damage(renamed_within, "misplaced"),
    "a cell copied beside itself": Damage(keyless_copy, "misplaced", mendable=False),
    "a folder without its result": Damage(half_write, "half-written"),
    "predictions missing": Damage(
        lambda out: (first(out, "evaluate") / "predictions.npz").unlink(), "missing-file"
    ),
    "one encoder missing": Damage(
        lambda out: (first(out, "pretrain") / "encoder.safetensors").unlink(), "missing-weights"
    ),
    "predictions cut": Damage(lambda out: cut(first(out, "evaluate") / "predictions.npz"), "size"),
    "a bit of an encoder flipped": Damage(
        lambda out: flip(first(out, "pretrain") / "encoder.safetensors"), "hash"
    ),
    "a history changed": Damage(lambda out: flip(first(out, "pretrain") / "history.csv"), "hash"),
    "predictions that are none": Damage(
        lambda out: replace_file(first(out, "evaluate"), "predictions.npz", b"no archive"),
        "not-readable",
    ),
    "an encoder that is none": Damage(
        lambda out: replace_file(first(out, "pretrain"), "encoder.safetensors", b"\xff" * 99),
        "not-readable",
    ),
    "an orphan": Damage(lambda out: put(first(out, "evaluate") / "scores.csv"), "orphan"),
    "a temporary file of a result": Damage(
        lambda out: put(first(out, "evaluate") / ".result.json-abc_1234"), "temporary"
    ),
    "a temporary file of the plan": Damage(
        lambda out: put(out / ".plan.json-abc_1234"), "temporary"
    ),
    "a temporary file of the report": Damage(
        lambda out: put(out / "report" / ".index.html-abc_1234"), "temporary"
    ),
    "a checkpoint beside a complete result": Damage(
        lambda out: put(first(out, "pretrain") / "checkpoint.safetensors"), "checkpoint"
    ),
    "a link out of the folder": Damage(link_outwards, "link", mendable=False),
    "all cells behind a link": Damage(link_cells, "link", mendable=False),
    "a runner that was killed": Damage(dead_runner, "dead-runner"),
    "a claim of nobody": Damage(
        lambda out: put(out / "leases" / f"{'0' * 16}.0", "nobody"), "dead-lease"
    ),
    "a claim without a name": Damage(
        lambda out: put(out / "leases" / f"{'0' * 16}.0", ""), "dead-lease"
    ),
    "no suite": Damage(lambda out: (out / "suite.toml").unlink(), "missing-file", mendable=False),
    "half a suite": Damage(
        lambda out: put(out / "suite.toml", "name = "), "unreadable", mendable=False
    ),
    "the suite of another run": Damage(
        lambda out: put(out / "suite.toml", 'name = "other"\nprotocols = ["linear"]'),
        "plan-mismatch",
        mendable=False,
    ),
    "half a plan": Damage(lambda out: cut(out / "plan.json"), "unreadable", mendable=False),
    "a plan that leads elsewhere": Damage(
        lambda out: edit(
            out / "plan.json", lambda plan: plan["pretrain"][0].update(key="../../../etc")
        ),
        "plan-key",
        mendable=False,
    ),
    "a plan that says something else of a result": Damage(
        lambda out: edit(out / "plan.json", lambda plan: plan["evaluate"][0].update(seed=1)),
        "plan-mismatch",
        mendable=False,
    ),
    "a file in place of all evaluations": Damage(
        lambda out: [shutil.rmtree(out / "evaluate"), put(out / "evaluate")],
        "unreadable",
        mendable=False,
    ),
    "a result of an older version": Damage(older_version, "stale", mendable=False),
    "a folder that nobody may read": Damage(
        lambda out: first(out, "evaluate").chmod(0), "unreadable", mendable=False
    ),
}
if os.geteuid() == 0:  # who may read everything
    del PROBLEMS["a folder that nobody may read"]

NOTES = {
    "a cell not computed yet": Damage(
        lambda out: (
            [p.unlink() for p in first(out, "evaluate").iterdir()]
            and first(out, "evaluate").rmdir()
        ),
        "missing",
    ),
    "an empty folder": Damage(lambda out: (out / "evaluate" / ("0" * 16)).mkdir(), "empty"),
    "somebody's notes": Damage(lambda out: put(out / "notes.txt"), "unknown"),
    "a file that a system leaves": Damage(
        lambda out: put(out / "evaluate" / ".DS_Store"), "unknown"
    ),
    "an event that was cut": Damage(
        lambda out: put(out / "events" / "r.jsonl", '{"event": "a"}\n{"eve'), "events"
    ),
    "a runner on another host": Damage(
        lambda out: put(out / "runners" / f"{NOBODY}.json"), "runner-elsewhere"
    ),
}
