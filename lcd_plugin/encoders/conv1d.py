"""What the built-in encoders share: a fast convolution, widths, and the way timm makes a model."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin.errors import suggest

Model = TypeVar("Model", bound=nn.Module)

# What timm tells every model about where its published weights would be.
TIMM_ONLY = {"pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}
# Leads, blocks, rows of an image: settings come from files of strangers too, and no network that
# could be trained has as many.
MOST = 100_000


class Conv1d(nn.Conv1d):
    """A one-dimensional convolution of (batch, channels, 1, time), its padding given as a number.

    With a height of 1, channels can lie innermost in memory, which one-dimensional layers do not
    offer; with as few channels as here that halves the time of a step on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_channels, 1, time) to (batch, out_channels, 1, positions)."""
        y = F.conv2d(
            x,
            self.weight.unsqueeze(2),
            self.bias,
            stride=(1, self.stride[0]),
            padding=(0, int(self.padding[0])),
            groups=self.groups,
        )
        # With one input channel both layouts look alike, and torch takes the slow one.
        return y.contiguous(memory_format=torch.channels_last)


def conv_norm(inputs: int, outputs: int, length: int, stride: int = 1) -> list[nn.Module]:
    """A convolution of odd length with zeros at both ends, then batch norm."""
    convolution = Conv1d(inputs, outputs, length, stride, padding=length // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


def scaled(channels: int, width: float, multiple_of: int = 1) -> int:
    """`channels` times `width`, rounded to a multiple.

    Raises:
        ValueError: `width` is no positive number, or so small that nothing is left.
    """
    if not isinstance(width, int | float) or not 0 < width < math.inf:
        raise ValueError(f"width must be a number above 0, got {width!r}.")
    result = round(channels * width / multiple_of) * multiple_of
    if result < 1:
        raise ValueError(f"width {width:g} leaves a layer without channels; give a greater one.")
    return result


def rising(drop_path: float, blocks: int) -> list[float]:
    """A probability for each block that a record skips it: evenly from 0 to `drop_path`.

    Huang et al., https://arxiv.org/abs/1603.09382.

    Raises:
        ValueError: `drop_path` is no number of at least 0 and below 1.
    """
    if not isinstance(drop_path, int | float) or not 0 <= drop_path < 1:
        raise ValueError(f"drop_path must be at least 0 and below 1, got {drop_path!r}.")
    rates: list[float] = torch.linspace(0, drop_path, blocks, device="cpu").tolist()
    return rates


def check_counts(**counts: int) -> None:
    """Refuse numbers of things that are not whole, and from 1 to what any network has.

    Raises:
        ValueError: names the first that is not.
    """
    for name, count in counts.items():
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {count!r}.")
        if count > MOST:
            raise ValueError(f"{name} must be at most {MOST:,}, got {count:,}.")


def choose(name: str, value: Any, choices: Mapping[Any, Any]) -> Any:
    """What `choices` holds for `value`.

    Raises:
        ValueError: `value` is none of them; the sentence lists them.
    """
    if value not in choices:
        listed = ", ".join(map(str, choices))
        raise ValueError(f"{name} must be one of {listed}, got {value!r}.")
    return choices[value]


def make_for_timm(
    build: Callable[..., Model], name: str, pretrained: bool, settings: dict[str, Any]
) -> Model:
    """Make a model from what `timm.create_model` passes to a registered function.

    Args:
        build: class of the model; what its signature names are the settings.
        name: of the encoder, for messages.
        pretrained: must be False, there are no published weights.
        settings: for `build`; timm's `in_chans` is taken for `in_leads`.

    Raises:
        ValueError: pretrained weights were asked for, or a setting that does not exist.
    """
    if pretrained:
        raise ValueError(f"{name} has no published weights; use load_encoder for a run's own.")
    settings = {key: value for key, value in settings.items() if key not in TIMM_ONLY}
    if "in_chans" in settings:
        settings["in_leads"] = settings.pop("in_chans")
    known = inspect.signature(build).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
        for key in settings:
            if key not in known:
                raise ValueError(f"{name} has no setting '{key}'{suggest(key, known)}")
    return build(**settings)
