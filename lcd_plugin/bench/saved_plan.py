"""What a run set out to do, beside its results: a report tells from it what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import to_json

from lcd_plugin.bench.results import Key
from lcd_plugin.files import read_limited, write_whole
from lcd_plugin.timing import now

if TYPE_CHECKING:  # plans are made with torch, which reading them does not need
    from lcd_plugin.bench.plan import Plan

PLAN = "plan.json"
# Bytes of a plan that are read; one of 100,000 cells has some tens of millions.
MOST_OF_PLAN = 2**30


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class SavedCell:
    """A planned cell; no model, since there can be very many of them.

    Attributes:
        kind: its method's.
        dataset: the one that is pretrained on, or scored.
        recipe: of the suite; "" where it has none.
        pretrain_key, pretrain_dataset: for an evaluation, the pretraining behind it; None where
            there is none, and `pretrain_dataset` also in plans from before it was written.
        leads: which leads the encoder was shown.
        label_seed: of the label subset; None in plans from before it was written, where it was
            the pretraining's seed.
        snapshot: share of the pretraining budget after which the encoder was taken; None for the
            finished one.
    """

    key: Key
    title: str
    method: str
    kind: str
    encoder: str
    dataset: str
    seed: int
    task: str | None = None
    protocol: str | None = None
    label_fraction: float | None = None
    pretrain_key: Key | None = None
    pretrain_dataset: str | None = None
    recipe: str = ""
    leads: str = "all"
    label_seed: int | None = None
    snapshot: float | None = None


class SavedPlan(BaseModel):
    """The cells of the newest run on an output folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    created: str
    protocols: tuple[str, ...]
    pretrain: tuple[SavedCell, ...]
    evaluate: tuple[SavedCell, ...]
    unavailable: dict[str, str]
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    data: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, plan: Plan, data: list[dict[str, Any]]) -> SavedPlan:
        """The saved form of a plan."""
        return cls(
            suite=plan.suite.name,
            created=now(),
            protocols=plan.suite.protocols,
            pretrain=_saved(plan.pretrain, plan),
            evaluate=_saved(plan.evaluate, plan),
            unavailable=plan.unavailable,
            recipes=plan.suite.recipes,
            data=tuple(data),
        )


def _saved(cells: Sequence[Any], plan: Plan) -> tuple[SavedCell, ...]:
    own = {field.name for field in fields(SavedCell)}
    same = [field.name for field in fields(cells[0]) if field.name in own] if cells else []
    return tuple(
        SavedCell(
            title=cell.title,
            kind=plan.setups[cell.recipe].methods[cell.method].spec.kind,
            **{name: getattr(cell, name) for name in same},
        )
        for cell in cells
    )


def save_plan(out: Path, plan: SavedPlan) -> None:
    """Write the plan beside the results."""
    write_whole(out / PLAN, to_json(plan, indent=1))


def read_plan(out: Path) -> SavedPlan | None:
    """The plan of an output folder, or None if there is none that can be read."""
    try:
        return SavedPlan.model_validate_json(read_limited(out / PLAN, MOST_OF_PLAN))
    except (OSError, ValidationError):
        return None
