"""All that a worker has to know of a plan, as one JSON document."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from lcd_plugin.bench.plan import Plan, Setup
from lcd_plugin.bench.suite import Suite
from lcd_plugin.bench.usable import planned_method
from lcd_plugin.data.cohort import Task
from lcd_plugin.data.store import Store, TaskEntry


class RecipeOrder(BaseModel):
    """What the cells of a recipe are computed from.

    Attributes:
        stores: prepared datasets by name.
        tasks: tasks of every dataset that is scored, with the classes that are.
        methods: names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stores: dict[str, Path]
    tasks: dict[str, tuple[TaskEntry, ...]]
    methods: tuple[str, ...]


class WorkOrder(BaseModel):
    """What all units of a run have in common.

    Attributes:
        suite: the resolved suite.
        precision: what `auto` came to.
        device: type of the device.
        root: folder with `pretrain/<key>`, where encoders are and checkpoints go.
        threads: of a worker; None is as many as torch takes.
        memory_gb: memory in GB (1e9 bytes) that a worker may take; None is no limit.
        recipes: by name; `""` is that of a suite without recipes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: dict[str, Any]
    precision: Literal["fp32", "bf16"]
    device: Literal["cpu", "cuda"]
    root: Path
    threads: int | None = None
    memory_gb: float | None = None
    recipes: dict[str, RecipeOrder]

    @classmethod
    def of(cls, plan: Plan, root: Path, **how: Any) -> WorkOrder:
        """The order for the cells of a plan.

        Args:
            plan: whose cells.
            root: see above.
            how: device, threads, memory_gb.
        """
        return cls(
            suite=plan.suite.model_dump(mode="json"),
            precision=plan.precision,
            root=root,
            recipes={name: _recipe_order(setup) for name, setup in plan.setups.items()},
            **how,
        )

    def open(self) -> Plan:
        """The plan without its cells: what they are computed from.

        Raises:
            DataError: a store is gone or was changed.
            PluginError: a method cannot be loaded.
        """
        suite = Suite.model_validate(self.suite)
        opened: dict[Path, Store] = {}
        setups = {}
        for name, recipe in self.recipes.items():
            own = suite.under(name) if name else suite
            for path in recipe.stores.values():
                if path not in opened:
                    opened[path] = Store.open(path)
            setups[name] = Setup(
                own,
                {dataset: opened[path] for dataset, path in recipe.stores.items()},
                {dataset: tuple(map(_task, tasks)) for dataset, tasks in recipe.tasks.items()},
                {method: planned_method(method, own) for method in recipe.methods},
            )
        return Plan(suite, self.precision, setups, (), (), {})


def _recipe_order(setup: Setup) -> RecipeOrder:
    return RecipeOrder(
        stores={name: store.path for name, store in setup.stores.items()},
        tasks={
            dataset: tuple(TaskEntry(name=t.name, classes=t.classes, kind=t.kind) for t in tasks)
            for dataset, tasks in setup.tasks.items()
        },
        methods=tuple(setup.methods),
    )


def _task(entry: TaskEntry) -> Task:
    return Task(entry.name, entry.classes, entry.kind)  # type: ignore[arg-type]
