"""Any image model of timm as an encoder, registered with timm: leads by time become an image."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from typing import Any

import timm
import torch
import torch.nn.functional as F
from timm.models import get_pretrained_cfg, group_parameters, model_entrypoint, register_model
from torch import Tensor, nn

from lcd_plugin.encoders.conv1d import MOST, check_counts, make_for_timm
from lcd_plugin.errors import ConfigError

# The shortest signal that an encoder must take, in samples.
SHORTEST = 64
# Pixels of the image on which a model is tried; larger ones would take all memory.
MOST_PIXELS = 2**22
# What would make timm read weights from a file or from the net, and some of those files run code.
FROM_ELSEWHERE = {"checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"}


class Timm2d(nn.Module):
    """An image model that reads a record as an image of one channel: leads from top to bottom.

    A lead is repeated over as many rows as make the image `height` rows high. The model has fresh
    random weights; the default is timm's smallest ResNet, 370,000 parameters, as a larger one on
    so large an image is slow without a GPU.

    Args:
        in_leads: leads of the input; 1 for an encoder that is shared over leads.
        model: a name of `timm.list_models()`.
        height: rows of the image, at least as many as leads; most models need 32 or more.
        time: columns of the image for models that take images of one size only, such as most
            transformers: the signal is interpolated to it. Others take any length as it is.
        num_classes: outputs of a linear classifier; 0 gives the features.
        **options: what else `timm.create_model` should tell the model.

    Attributes:
        num_features: features after the model's own pooling.

    Raises:
        ValueError: timm has no such model, or it cannot be made, or cannot read such images.
    """

    network: Any  # image models have no type in common
    rows: Tensor

    def __init__(
        self,
        in_leads: int = 1,
        model: str = "test_resnet",
        height: int = 32,
        time: int = 1024,
        num_classes: int = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        check_counts(in_leads=in_leads, height=height, time=time)
        if height < in_leads:
            raise ValueError(f"height must be at least the number of leads, {in_leads}.")
        for key in sorted(FROM_ELSEWHERE & options.keys()):
            raise ValueError(f"{key} cannot be set: an image model has fresh random weights.")
        if not _total(options) <= MOST:
            raise ValueError(
                f"the options of {model} are too large; together they may be {MOST:,}."
            )
        self.in_leads = in_leads
        self.model = _known(model)
        published = get_pretrained_cfg(model)
        self.time = time if published is not None and published.fixed_input_size else None
        if height * (self.time or SHORTEST) > MOST_PIXELS:
            raise ValueError(f"an image may have {MOST_PIXELS:,} pixels: choose a smaller height.")
        if self.time is not None:
            options = {"img_size": (height, self.time)} | options
        self.network = timm.create_model(
            model, pretrained=False, in_chans=1, num_classes=0, **options
        ).to(memory_format=torch.channels_last)
        rows = torch.arange(height) * in_leads // height
        self.register_buffer("rows", rows, persistent=False)
        self.num_features, self.pools_by_mean = self._try()
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, features), or to class scores."""
        scores: Tensor = self.head(self.network(self._image(x)))
        return scores

    def forward_features(self, x: Tensor) -> Tensor:
        """Map (batch, in_leads, time) to (batch, features, positions), not pooled over time yet.

        Raises:
            ConfigError: the model's pooled features are not the mean of those.
        """
        if not self.pools_by_mean:
            raise ConfigError(
                f"{self.model} has no features before pooling, because it does not pool by a plain "
                f"mean over positions; choose another model, such as resnet18."
            )
        return self._columns(self._image(x))

    def group_matcher(self, coarse: bool = False) -> Callable[[str], float]:
        """The layer of a parameter, as timm tells the image model's apart."""
        layers = group_parameters(self.network, self.network.group_matcher(coarse), reverse=True)
        return lambda name: layers.get(name.removeprefix("network."), math.inf)

    def _image(self, x: Tensor) -> Tensor:
        """From (batch, in_leads, time) to (batch, 1, height, time)."""
        if x.shape[1] != self.in_leads:
            raise ValueError(f"expected {self.in_leads} leads, got {x.shape[1]}.")
        if self.time is not None and x.shape[2] != self.time:
            x = F.interpolate(x, size=self.time, mode="linear")
        return x[:, self.rows].unsqueeze(1)

    def _columns(self, image: Tensor) -> Tensor:
        """The model's features, averaged over height: (batch, features, positions)."""
        features: Tensor = self.network.forward_features(image)
        if features.dim() == 3:  # tokens, first those that are no patches
            tokens = features[:, getattr(self.network, "num_prefix_tokens", 0) :]
            rows, columns = self.network.patch_embed.grid_size
            image_like = tokens.reshape(len(tokens), rows, columns, -1)
            return image_like.mean(dim=1).transpose(1, 2)
        if getattr(self.network, "output_fmt", "NCHW") == "NHWC":
            features = features.permute(0, 3, 1, 2)
        return features.mean(dim=2)

    @torch.no_grad()
    def _try(self) -> tuple[int, bool]:
        """Number of features, and whether the mean of those before pooling equals them."""
        signal = torch.arange(self.in_leads * SHORTEST).float().sin()
        image = self._image(signal.reshape(1, self.in_leads, SHORTEST))
        self.network.eval()
        try:
            pooled: Tensor = self.network(image)
        except (AssertionError, RuntimeError, ValueError) as error:
            size = " x ".join(map(str, image.shape[2:]))
            raise ValueError(f"{self.model} cannot read an image of {size}: {error}") from error
        try:
            same = torch.allclose(self._columns(image).mean(dim=2), pooled, rtol=1e-3, atol=1e-5)
        except (AttributeError, RuntimeError):  # of a shape that is not known here
            same = False
        self.network.train()
        return pooled.shape[1], same


def _known(model: str) -> str:
    """The name itself, if timm has such an image model."""
    model = str(model)
    own = __name__.partition(".")[0]
    names = [n for n in timm.list_models() if not model_entrypoint(n).__module__.startswith(own)]
    if model.partition(".")[0] not in names:
        near = difflib.get_close_matches(model, names, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() lists them."
        raise ValueError(f"timm has no model '{model}'; {hint}")
    return model


def _total(options: Any) -> float:
    """Sum of all numbers in options: timm makes lists and tables of the length of many of them."""
    if isinstance(options, dict):
        return sum(map(_total, options.values()))
    if isinstance(options, list | tuple):
        return sum(map(_total, options))
    return abs(options) if isinstance(options, int | float) else 0


@register_model
def timm2d(pretrained: bool = False, **kwargs: Any) -> Timm2d:
    """Make a `Timm2d`; `timm.create_model("timm2d", ...)` calls this.

    Args:
        pretrained: must be False, pretrained image weights are not loaded.
        **kwargs: arguments of `Timm2d`; timm's `in_chans` is taken for `in_leads`.

    Raises:
        ValueError: pretrained weights were asked for, or a setting that cannot be.
    """
    return make_for_timm(Timm2d, "timm2d", pretrained, kwargs)
