"""What the host relies on in an encoder."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import torch
from timm.models import group_parameters
from torch import Tensor, nn

from lcd_plugin.encoders import load_encoder, save_encoder
from lcd_plugin.errors import ConfigError
from lcd_plugin.testing.check import fail
from lcd_plugin.testing.encoder_trial import EncoderTrial
from lcd_plugin.testing.tensors import changed, copied, named

__all__ = ["CHECKS", "NEEDS", "SLOW", "EncoderTrial"]

LEAD_COUNTS = (1, 2, 8, 12)
LENGTHS = (64, 250, 1000)
TIME = 200
BATCH = 4
# How far features in bf16 may be from those in float32, as a share of their norm.
BF16_TOLERANCE = 0.1


def attributes(trial: EncoderTrial) -> None:
    """It is made with `in_leads` alone and says how many features and leads it has."""
    for leads in LEAD_COUNTS:
        said = getattr(trial.make(in_leads=leads), "in_leads", leads)
        if said != leads:
            fail(
                f"in_leads {leads}, as it was asked for",
                f"{said}",
                "Set self.in_leads = in_leads in __init__.",
            )


def output_shape(trial: EncoderTrial) -> None:
    """It maps (batch, in_leads, time) to finite (batch, num_features), for any length of time."""
    for leads in LEAD_COUNTS:
        encoder = trial.make(in_leads=leads).eval()
        for length in LENGTHS:
            _check_features(encoder, signals(leads, length))


def unknown_setting(trial: EncoderTrial) -> None:
    """A setting that it does not have is refused."""
    try:
        trial.build(in_leads=1, **trial.settings, no_such_setting=1)
    except Exception:  # it may say so in any way
        return
    fail(
        "a setting 'no_such_setting' to be refused",
        "no error",
        "Take the settings by name; of what timm adds, drop pretrained_cfg, pretrained_cfg_overlay "
        "and cache_dir only.",
    )


def gradients(trial: EncoderTrial) -> None:
    """Gradients reach every parameter."""
    encoder = trial.make().train()
    parameters = dict(encoder.named_parameters())
    target = torch.randn(BATCH, encoder.num_features)
    optimiser = torch.optim.Adam(parameters.values(), lr=1e-3)
    reached: set[str] = set()
    # Some layers start at zero, so that what is before them learns from the second step on.
    for _ in range(3):
        optimiser.zero_grad()
        (encoder(signals(1)) - target).square().mean().backward()
        # A bias before batch norm has no influence; every matrix and kernel has.
        reached |= {
            name
            for name, p in parameters.items()
            if p.grad is not None and (p.dim() < 2 or p.grad.any())
        }
        optimiser.step()
    if missed := [name for name in parameters if name not in reached]:
        fail(
            "a gradient for every parameter",
            f"none for {named(missed)}",
            "Leave out layers that `forward` does not use, such as a head of a wrapped model; "
            "several devices wait for all of them.",
        )


def seeds(trial: EncoderTrial) -> None:
    """Equal seeds give equal weights, another seed gives others."""
    first, again, other = (copied(trial.make(seed=s).state_dict()) for s in (1, 1, 2))
    if differing := changed(first, again):
        fail(
            "equal weights from equal seeds",
            f"others in {named(differing)}",
            "Draw with torch, whose seed the host sets; not with `random` or NumPy.",
        )
    if not changed(first, other):
        fail("other weights from another seed", "the same",
             "Do not call torch.manual_seed: the host sets the seed.")  # fmt: skip


def evaluation(trial: EncoderTrial) -> None:
    """In eval mode features belong to a record alone, and nothing learns."""
    encoder = trial.make().train()
    encoder(signals(1))
    encoder.eval()
    before = copied(encoder.state_dict())
    x = signals(1)
    with torch.no_grad():
        together, alone, again = encoder(x)[:1], encoder(x[:1]), encoder(x[:1])
    advice = "Statistics over the batch and dropout belong to training: look at self.training."
    if not torch.equal(alone, again):
        fail("equal features from equal input in eval mode", "others", advice)
    if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4):
        fail(
            "features in eval mode that do not depend on other records of the batch",
            f"a difference of {(together - alone).abs().max():.3g}",
            advice,
        )
    if learned := changed(before, encoder.state_dict()):
        fail("no state that changes in eval mode", f"{named(learned)} changed", advice)


def bf16(trial: EncoderTrial) -> None:
    """Under bf16 autocast features are finite and near those in float32."""
    encoder = trial.make().eval()
    x = signals(1)
    with torch.no_grad():
        exact = encoder(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = _check_features(encoder, x).float()
    far = float((rounded - exact).norm() / exact.norm().clamp_min(1e-6))
    if far > BF16_TOLERANCE:
        fail(
            f"features under bf16 autocast within {BF16_TOLERANCE:.0%} of those in float32",
            f"{far:.0%} of their norm away",
            "Compute what does not survive 8 bits with torch.autocast(..., enabled=False).",
        )


def features_over_time(trial: EncoderTrial) -> str:
    """`forward_features`, if there, gives features over time, whose mean are the features."""
    for leads in (1, 8):
        encoder = trial.make(in_leads=leads).eval()
        if not hasattr(encoder, "forward_features"):
            return "no forward_features: `attentive` and methods that mask cannot use this encoder"
        with torch.no_grad():
            features = encoder(signals(leads))
            try:
                tokens = encoder.forward_features(signals(leads))
            except ConfigError as error:  # with these settings it has none, and says so
                return str(error)
        advice = "Pool over time last: forward is forward_features(x).mean(dim=2)."
        shape = (BATCH, encoder.num_features)
        if not isinstance(tokens, Tensor) or tokens.dim() != 3 or tokens.shape[:2] != shape:
            came = tuple(tokens.shape) if isinstance(tokens, Tensor) else type(tokens).__name__
            fail(f"forward_features of shape {(*shape, 'positions')}", f"{came}", advice)
        if not torch.allclose(tokens.mean(dim=2), features, rtol=1e-3, atol=1e-4):
            fail(
                "features that are the mean of forward_features over positions",
                f"a difference of {(tokens.mean(dim=2) - features).abs().max():.3g}",
                advice,
            )
    return ""


def layers(trial: EncoderTrial) -> str:
    """`group_matcher`, if there, tells the layer of every parameter."""
    encoder = trial.make()
    if not hasattr(encoder, "group_matcher"):
        return "no group_matcher: finetune.layer_decay cannot be used with this encoder"
    advice = (
        "Return timm's patterns of parameter names, such as {'stem': r'^stem', 'blocks': "
        "r'^blocks\\.(\\d+)'}."
    )
    for coarse in (False, True):
        # timm takes what no pattern matches for a head, as it does a name that is none.
        encoder.register_parameter("no_such_parameter", nn.Parameter(torch.zeros(1)))
        layer = group_parameters(encoder, encoder.group_matcher(coarse=coarse), reverse=True)
        del encoder.no_such_parameter
        if len(set(layer.values())) < 2:
            fail(f"group_matcher(coarse={coarse}) to tell layers apart", "one layer", advice)
        head = layer.pop("no_such_parameter", None)
        lost = [n for n, _ in encoder.named_parameters() if layer.get(n, head) == head]
        if lost:
            fail(
                f"group_matcher(coarse={coarse}) to match every parameter",
                f"no match for {named(lost)}",
                advice,
            )
    return ""


def file_round_trip(trial: EncoderTrial) -> None:
    """Its weights come back from an encoder file, and from a copy."""
    encoder = trial.make(seed=1).train()
    encoder(signals(1))
    encoder.eval()
    with torch.no_grad():
        expected = encoder(signals(1))
        others = {"a copy (copy.deepcopy)": copy.deepcopy(encoder)(signals(1))}
        if trial.name is None:
            fresh = trial.make(seed=2).eval()
            fresh.load_state_dict(copied(encoder.state_dict()))
            others["a fresh encoder with its state_dict"] = fresh(signals(1))
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "encoder.safetensors"
                path.write_bytes(save_encoder(encoder, trial.name, trial.settings))
                others["its encoder file"] = load_encoder(path)(signals(1))
    for source, features in others.items():
        if not torch.equal(features, expected):
            fail(
                f"equal features from {source}",
                "others",
                "Keep all that `forward` needs in parameters, buffers and settings.",
            )


def signals(leads: int, length: int = TIME) -> Tensor:
    """Waves of several rhythms in noise, shape (batch, leads, time)."""
    draw = torch.Generator().manual_seed(leads)
    time = torch.arange(length) / 100
    waves = torch.sin(6.28 * torch.arange(1, BATCH + 1)[:, None, None] * time)
    return waves + 0.3 * torch.randn(BATCH, leads, length, generator=draw)


def _check_features(encoder: Any, x: Tensor) -> Tensor:
    """Features of shape (batch, num_features) that are finite, or a failure."""
    with torch.no_grad():
        features: Any = encoder(x)
    wanted, given = (len(x), encoder.num_features), f"from signals of shape {tuple(x.shape)}"
    if not isinstance(features, Tensor) or tuple(features.shape) != wanted:
        came = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        fail(
            f"features of shape {wanted} {given}",
            f"{came}",
            "Pool over time at the end, and set num_features to what is left.",
        )
    if not torch.isfinite(features).all():
        fail(
            f"finite features {given}",
            "NaN or infinity",
            "Look for a norm or a spread of 0 that something is divided by.",
        )
    return features


CHECKS = (
    attributes,
    output_shape,
    unknown_setting,
    gradients,
    seeds,
    evaluation,
    bf16,
    features_over_time,
    layers,
    file_round_trip,
)
SLOW: frozenset[Any] = frozenset()
# An encoder that cannot be made would only say so again in all others.
NEEDS: dict[Any, Any] = {check: attributes for check in CHECKS if check is not attributes}
