"""One name for one set of settings, whatever recipe the plans of several folders have it under."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lcd_plugin.bench.saved_plan import SavedCell


@dataclass
class RecipeNames:
    """Recipes by settings.

    Attributes:
        known: settings -> recipes that plans have them under.
        methods: settings -> the method that has them.
    """

    known: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    methods: dict[str, str] = field(default_factory=dict)

    def add(self, settings: str, cells: Mapping[str, SavedCell]) -> None:
        """Remember under which recipes the folders' plans have a cell.

        Args:
            settings: a hash of those behind it, without seeds and labels.
            cells: as each folder plans it.
        """
        self.known[settings] |= {cell.recipe for cell in cells.values()}
        self.methods[settings] = next(iter(cells.values())).method

    def named(self, settings: str, cell: SavedCell) -> SavedCell:
        """The cell under the one recipe that its settings go by."""
        recipe = self._one(settings)
        return cell if recipe == cell.recipe else replace(cell, recipe=recipe)

    def _one(self, settings: str) -> str:
        """The first by the alphabet, whichever folder comes first; any says more than none."""
        return min(self.known[settings], key=lambda recipe: (not recipe, recipe))

    def notes(self) -> Iterator[str]:
        """Sentences on settings that have several names."""
        alike: dict[frozenset[str], set[str]] = defaultdict(set)
        for settings, recipes in self.known.items():
            alike[frozenset(recipes)].add(self.methods[settings])
        for names_of_it, methods in alike.items():
            if len(names_of_it) > 1:
                named = sorted(recipe for recipe in names_of_it if recipe)
                names = [f"recipe {recipe}" for recipe in named]
                names += ["no recipe"] if "" in names_of_it else []
                yield (
                    f"The folders have the same settings under several names "
                    f"({', '.join(names)}), which are one line each, here called {named[0]}: "
                    f"{', '.join(sorted(methods))}."
                )
