"""What a run set out to do, beside its results: a report tells from it what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lcd_plugin.files import write_whole
from lcd_plugin.timing import now

if TYPE_CHECKING:  # plans are made with torch, which reading them does not need
    from lcd_plugin.bench.plan import Plan

PLAN = "plan.json"


class SavedCell(BaseModel):
    """A planned cell.

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

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    title: str
    method: str
    kind: str
    encoder: str
    dataset: str
    seed: int
    task: str | None = None
    protocol: str | None = None
    label_fraction: float | None = None
    pretrain_key: str | None = None
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
            pretrain=tuple(_saved(cell, plan) for cell in plan.pretrain),
            evaluate=tuple(_saved(cell, plan) for cell in plan.evaluate),
            unavailable=plan.unavailable,
            recipes=plan.suite.recipes,
            data=tuple(data),
        )


def _saved(cell: Any, plan: Plan) -> SavedCell:
    names = set(SavedCell.model_fields) - {"title", "kind"}
    return SavedCell(
        title=cell.title,
        kind=plan.setups[cell.recipe].methods[cell.method].spec.kind,
        **{name: getattr(cell, name) for name in names if hasattr(cell, name)},
    )


def save_plan(out: Path, plan: SavedPlan) -> None:
    """Write the plan beside the results."""
    write_whole(out / PLAN, plan.model_dump_json(indent=1).encode())


def read_plan(out: Path) -> SavedPlan | None:
    """The plan of an output folder, or None if there is none that can be read."""
    try:
        return SavedPlan.model_validate_json((out / PLAN).read_bytes())
    except (OSError, ValidationError):
        return None
