"""An encoder under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import nn

from lcd_plugin.errors import PluginError
from lcd_plugin.plugins import ENCODERS
from lcd_plugin.testing.check import fail
from lcd_plugin.testing.tensors import one_thread


class EncoderTrial:
    """An encoder under test.

    Args:
        encoder: its name, or what makes one.
        settings: what it is made with, beside `in_leads`.
    """

    def __init__(
        self, encoder: str | Callable[..., nn.Module], settings: Mapping[str, Any] | None = None
    ) -> None:
        self._encoder, self.settings = encoder, dict(settings or {})
        self.name = encoder if isinstance(encoder, str) else None
        self.title = f"encoder '{self.name or getattr(encoder, '__name__', encoder)}'"

    def load(self) -> Callable[..., Any]:
        """What makes the encoder; see `Trial.load`."""
        return self.build

    @cached_property
    def build(self) -> Callable[..., Any]:
        """What makes the encoder."""
        found: Any = self._encoder
        if isinstance(found, str):
            found = ENCODERS.load(found)
        if not callable(found):
            raise PluginError(
                f"The {self.title} is {type(found).__name__}: its spec must name a class or a "
                f"function that is called with in_leads and settings."
            )
        return found  # type: ignore[no-any-return]

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """See `Trial.surroundings`."""
        with one_thread():
            yield

    def make(self, seed: int = 0, in_leads: int = 1) -> Any:
        """A fresh encoder."""
        torch.manual_seed(seed)
        encoder = self.build(in_leads=in_leads, **self.settings)
        if not isinstance(encoder, nn.Module):
            fail(
                "a torch.nn.Module",
                type(encoder).__name__,
                "Return the network that `in_leads` and the settings ask for.",
            )
        if not isinstance(getattr(encoder, "num_features", None), int):
            fail(
                "an attribute num_features, the number of features as an int",
                f"{getattr(encoder, 'num_features', 'none')!r}",
                "Set self.num_features in __init__.",
            )
        return encoder
