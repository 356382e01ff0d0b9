"""Whether a plan and a result say the same of one cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lcd_plugin.bench.saved_plan import SavedCell
from lcd_plugin.report.differences import value_text

# What both say of a cell.
FIELDS = (
    "method", "encoder", "dataset", "task", "protocol", "leads", "label_fraction", "label_seed",
    "seed", "snapshot", "pretrain_key",
)  # fmt: skip
# What identities leave away at its usual value.
USUAL = {"leads": "all", "snapshot": None}


def contradictions(cell: SavedCell, identity: Mapping[str, Any]) -> str:
    """What a plan says of a cell that the identity of its result says otherwise; "" for nothing.

    The key of a result vouches for its identity, but nothing vouches for a plan. What older
    versions did not write is not compared.
    """
    said = USUAL | dict(identity)
    planned = {name: getattr(cell, name) for name in FIELDS}
    # A plan names an encoder as the suite does, with settings of its own behind the name.
    planned["encoder"] = cell.encoder.partition(":")[0]
    if cell.label_seed is None:
        del planned["label_seed"]
    return _sentence({n: (p, said[n]) for n, p in planned.items() if n in said and said[n] != p})


def pretraining_contradiction(cell: SavedCell, pretraining: Mapping[str, Any]) -> str:
    """The same of an evaluation and the identity of the pretraining behind it: its dataset."""
    planned, said = cell.pretrain_dataset, pretraining.get("dataset")
    if None in (planned, said) or planned == said:
        return ""
    return _sentence({"pretraining dataset": (planned, said)})


def _sentence(differ: Mapping[str, tuple[Any, Any]]) -> str:
    if not differ:
        return ""
    plan, result = (
        ", ".join(
            f"{name.replace('_', ' ')} {value_text(own[side])}" for name, own in differ.items()
        )
        for side in (0, 1)
    )
    return (
        f"the plan says {plan}, the result {result}; run the same `lcd-bench run` again, which "
        f"writes the plan anew"
    )
