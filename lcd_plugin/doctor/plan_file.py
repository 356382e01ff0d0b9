"""The suite and the plan of an output folder: whether they are there, whole and of one run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lcd_plugin.bench.own_files import KEY, SUITE
from lcd_plugin.bench.saved_plan import MOST_OF_PLAN, PLAN, SavedCell, SavedPlan, read_plan
from lcd_plugin.doctor.findings import Finding
from lcd_plugin.files import read_limited
from lcd_plugin.report.plain_text import one_line
from lcd_plugin.report.read_folders import Kind

AGAIN = "run the same `lcd-bench run` again, which writes it anew"
# Bytes of a suite; real ones have a few thousand.
MOST_OF_SUITE = 2**24


@dataclass(frozen=True)
class Planned:
    """What the newest run on a folder set out to do.

    Attributes:
        cells: by kind and key.
        there: whether there is a plan that can be read.
    """

    cells: Mapping[Kind, Mapping[str, SavedCell]]
    there: bool = True


@dataclass
class PlanCheck:
    """Reads suite and plan of a folder; `findings` are filled on the way."""

    out: Path
    findings: list[Finding] = field(default_factory=list)

    def read(self) -> Planned:
        """The plan, of which nothing is left but what can be relied on."""
        suite, plan = self._suite(), self._plan()
        if plan is None:
            return Planned({"pretrain": {}, "evaluate": {}}, there=False)
        if suite is not None:
            for what in _differences(suite, plan):
                message = f"its {what} are not those of {SUITE}: of two runs; {AGAIN}"
                self._problem("plan-mismatch", PLAN, message)
        return Planned(
            {
                "pretrain": {cell.key: cell for cell in plan.pretrain},
                "evaluate": {cell.key: cell for cell in plan.evaluate},
            }
        )

    def _problem(self, kind: str, path: str, message: str) -> None:
        self.findings.append(Finding(kind, "problem", path, message))

    def _suite(self) -> dict[str, Any] | None:
        path = self.out / SUITE
        if not self._is_file(path):
            return None
        try:
            return tomllib.loads(read_limited(path, MOST_OF_SUITE).decode())
        except OSError as error:
            self._problem("unreadable", SUITE, f"cannot be read ({error.strerror})")
        except (ValueError, RecursionError):
            self._problem("unreadable", SUITE, f"is no TOML, or only a part of it; {AGAIN}")
        return None

    def _plan(self) -> SavedPlan | None:
        if not self._is_file(self.out / PLAN):
            return None
        plan = read_plan(self.out)
        if plan is None and (key := self._no_key()):
            message = f"a key of it is none, '{one_line(key)[:40]}': changed by hand; {AGAIN}"
            self._problem("plan-key", PLAN, message)
        elif plan is None:
            message = f"is damaged or of another version: no report can be made; {AGAIN}"
            self._problem("unreadable", PLAN, message)
        return plan

    def _no_key(self) -> str:
        """The first key of a plan that cannot be read which is none; "" for another reason."""
        try:
            plan = json.loads(read_limited(self.out / PLAN, MOST_OF_PLAN))
            cells = [*plan["pretrain"], *plan["evaluate"]]
            keys = [cell.get(name) for cell in cells for name in ("key", "pretrain_key")]
        except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
            return ""
        return next((str(k) for k in keys if k is not None and not KEY.fullmatch(str(k))), "")

    def _is_file(self, path: Path) -> bool:
        if path.is_file():  # through a link, too: nothing is vouched for here
            return True
        if path.exists():
            self._problem("unreadable", path.name, "is not a file")
        else:
            self._problem("missing-file", path.name, f"is gone; {AGAIN}")
        return False


def _differences(suite: Mapping[str, Any], plan: SavedPlan) -> Iterator[str]:
    """What a plan and a suite say otherwise, of what both say."""
    if suite.get("name") != plan.suite:
        yield "names"
    if suite.get("protocols") != list(plan.protocols):
        yield "protocols"
    recipes = suite.get("recipes", {})
    if not isinstance(recipes, dict) or set(recipes) != set(plan.recipes):
        yield "recipes"
    cells = (*plan.pretrain, *plan.evaluate)
    for several, planned in (
        ("methods", {cell.method for cell in cells}),
        ("encoders", {cell.encoder for cell in cells}),
        ("seeds", {cell.seed for cell in cells}),
    ):
        asked = suite.get(several)
        if isinstance(asked, list) and not planned <= {
            a for a in asked if isinstance(a, str | int)
        }:
            yield several
