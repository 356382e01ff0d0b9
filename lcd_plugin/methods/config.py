"""Settings of methods: what each has of its own, and what can be added to any of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

# Losses that can be added to any method, with their usual weights; see `add_ons.py`.
ADD_ONS = {"lead_correlation": 1.0, "lead_decorrelation": 0.005}


class MethodConfig(BaseModel):
    """Settings of a method; subclasses add their own, unknown keys are an error.

    Attributes:
        add: losses that are added to the method's own: the name of one of `ADD_ONS`, a list of
            names, or a table of weights by name. Kept as pairs of name and weight.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    add: tuple[tuple[str, float], ...] = ()

    @field_validator("add", mode="before")
    @classmethod
    def _names_and_weights(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return tuple(value.items())
        names = (value,) if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            return value
        return tuple((x, ADD_ONS.get(x, 1.0)) if isinstance(x, str) else x for x in names)

    @field_validator("add")
    @classmethod
    def _known_and_sorted(
        cls, value: tuple[tuple[str, float], ...]
    ) -> tuple[tuple[str, float], ...]:
        for name, weight in value:
            if name not in ADD_ONS:
                raise ValueError(f"there is no '{name}' to add, only {' and '.join(ADD_ONS)}")
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(f"the weight of {name} must be positive and finite, got {weight}")
        return tuple(sorted(dict(value).items()))

    @model_serializer(mode="wrap")
    def _without_an_empty_add(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What is written down without it says the same, and older results keep their keys.
        values: dict[str, Any] = serialise(self)
        if values.pop("add", ()):
            values["add"] = dict(self.add)
        return values
