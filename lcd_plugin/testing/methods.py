"""What the host relies on in a pretraining method."""

from __future__ import annotations

import re
import traceback
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from lcd_plugin.methods.base import Method, MethodConfig
from lcd_plugin.testing import learning, method_inputs
from lcd_plugin.testing.check import caution, fail, sent
from lcd_plugin.testing.method_trial import (
    MethodTrial,
    check_output,
    narrow_vgg,
    trained_parameters,
)
from lcd_plugin.testing.tensors import changed, copied, named
from lcd_plugin.views.leads import check_pattern

__all__ = ["CHECKS", "NEEDS", "SLOW", "MethodTrial", "advise"]

# How torch says that a tensor does not fit.
MISFITS = re.compile(r"shape|size|channels|elements|dimension")
NOT_CALLED = re.compile(r"has no attribute '(config|encoder)'|before Module\.__init__\(\)")


def settings(trial: MethodTrial) -> None:
    """Settings have defaults, are frozen, refuse unknown keys and survive JSON."""
    config_class = trial.method_class.config_class
    if not issubclass(config_class, MethodConfig):
        fail(
            "config_class to inherit from MethodConfig",
            f"{config_class.__name__}",
            "Write class MyConfig(MethodConfig) with a field a setting.",
        )
    try:
        config_class()
    except ValidationError as error:
        fail("a default for every setting", f"{error}", "Give each field a default value.")
    config = trial.config
    if type(config).model_validate_json(config.model_dump_json()) != config:
        fail(
            "settings that come back from JSON as they were",
            f"{type(config).model_validate_json(config.model_dump_json())} for {config}",
            "Use fields of numbers, strings, booleans, and tuples of them.",
        )
    open_ended = "Do not override frozen=True and extra='forbid' of MethodConfig's model_config."
    try:
        config_class.model_validate({"no_such_setting": 1})
    except ValidationError:
        pass
    else:
        fail("an unknown setting to be refused", "no error", open_ended)
    for key in type(config).model_fields:
        try:
            setattr(config, key, getattr(config, key))
        except ValidationError:
            continue
        fail("settings that cannot be changed", f"'{key}' could be set", open_ended)


def view_pattern(trial: MethodTrial) -> None:
    """`views` names the views that the host shall make."""
    pattern = getattr(trial.method_class, "views", None)
    advice = "Set the class attribute: one lower-case letter a view, '*' for one of all leads."
    if not isinstance(pattern, str):
        fail("a class attribute `views`, such as views = 'aa'", f"{pattern!r}", advice)
    try:
        check_pattern(pattern)
    except ValueError:
        fail("`views` of letters and '*', such as 'aba'", f"{pattern!r}", advice)


def step(trial: MethodTrial) -> None:
    """A step gives a finite loss and named terms, and leaves training to the host."""
    method_inputs.check_arguments(trial.method_class)
    method = trial.make()
    before = copied(trained_parameters(method))
    output = trial.step(method, trial.views())
    check_output(output)
    if "loss" in output.terms:
        fail(
            "terms of other names than 'loss'",
            "a term 'loss'",
            "The history has a column 'loss' for the total; give the term a name of its own.",
        )
    if not output.loss.requires_grad:
        fail(
            "a loss that can be differentiated",
            "one without a gradient",
            "Keep torch.no_grad() and detach() to the targets.",
        )
    if moved := changed(before, trained_parameters(method)):
        fail(
            "training_step to leave parameters alone",
            f"{named(moved)} changed",
            "The host has the optimiser; a moving average belongs into after_step.",
        )


def views_unchanged(trial: MethodTrial) -> None:
    """A step leaves its views as they were."""
    views = trial.views()
    before = [view.clone() for view in views]
    trial.step(trial.make(), views)
    numbers = [i for i, (v, b) in enumerate(zip(views, before, strict=True)) if not v.equal(b)]
    if numbers:
        fail(
            "views to be left as they were",
            f"view {numbers[0]} changed",
            "Views may share memory: work on a copy, and use x = x * mask, not x *= mask.",
        )


def gradients(trial: MethodTrial) -> None:
    """Gradients reach everything that is trained and nothing else."""
    method = trial.make()
    parameters = trained_parameters(method)
    optimiser = torch.optim.Adam(parameters.values(), lr=1e-3)
    reached: set[str] = set()
    for seed in range(3):
        optimiser.zero_grad()
        trial.step(method, trial.views(seed)).loss.backward()  # type: ignore[no-untyped-call]
        # A bias before batch norm has no influence; every matrix and kernel has.
        reached |= {
            name
            for name, p in parameters.items()
            if p.grad is not None and (p.dim() < 2 or p.grad.any())
        }
        if broken := [n for n, p in parameters.items() if p.grad is not None and _broken(p.grad)]:
            fail(
                "finite gradients",
                f"NaN or infinity in {named(broken)}",
                "Square roots and norms have none at 0: add an epsilon inside.",
            )
        optimiser.step()
        method.after_step()
    if missed := [name for name in parameters if name not in reached]:
        fail(
            "a gradient for every parameter that is trained",
            f"none for {named(missed)}",
            "Use it in the loss, do not detach what leads to it, or, if it is a moving average or "
            "fixed, freeze it with lightly's deactivate_requires_grad.",
        )
    frozen = [n for n, p in method.encoder.named_parameters() if not p.requires_grad]
    if frozen:
        fail(
            "every parameter of the encoder to be trained",
            f"{named(frozen)} are frozen",
            "Freeze a copy of the encoder, made with copy.deepcopy, not the encoder itself.",
        )


def encoder_is_trained(trial: MethodTrial) -> None:
    """The encoder that the host gives is the one that learns."""
    torch.manual_seed(0)
    encoder = narrow_vgg(1)
    method = trial.make(encoder=lambda _: encoder)
    if method.encoder is not encoder:
        fail(
            "method.encoder to be the encoder that was given",
            "another one",
            "Call super().__init__(encoder, config) and do not set self.encoder again.",
        )
    before = copied(dict(encoder.named_parameters()))
    trial.train(method, steps=2)
    if not changed(before, dict(encoder.named_parameters())):
        fail(
            "the encoder to change in training",
            "the weights that it had before",
            "Let the loss depend on self.encoder(view), outside torch.no_grad().",
        )


def seeds(trial: MethodTrial) -> None:
    """Equal seeds give equal losses, another seed gives others."""
    first = trial.train(trial.make(seed=1), steps=3)
    again = trial.train(trial.make(seed=1), steps=3)
    if first != again:
        fail(
            "equal losses from equal seeds",
            f"{first} and {again}",
            "Draw with torch (torch.rand, torch.randperm), whose seed the host sets; not with "
            "`random`, NumPy or a generator of your own.",
        )
    if trial.train(trial.make(seed=2), steps=3) == first:
        fail(
            "other losses from another seed",
            "the same",
            "Do not call torch.manual_seed: the host sets the seed.",
        )


def after_step(trial: MethodTrial) -> None:
    """`after_step` moves moving averages and nothing that gradients train."""
    method = trial.make()
    trial.train(method, steps=2)
    trained, state = copied(trained_parameters(method)), copied(method.state_dict())
    method.after_step()
    if moved := changed(trained, trained_parameters(method)):
        fail(
            "after_step to leave what gradients train alone",
            f"{named(moved)} changed",
            "Its place is to move averages: update_moving_average(source, target, momentum).",
        )
    frozen = [name for name, p in method.named_parameters() if not p.requires_grad]
    moves = changed(state, method.state_dict())
    if trial.method_class.after_step is not Method.after_step and not moves:
        fail(
            "after_step to move something",
            "no parameter and no buffer that changed",
            "Update the target in place (update_moving_average does), keep what it counts in a "
            "buffer, or leave after_step out.",
        )
    if frozen and not moves:
        caution(
            trial,
            f"{named(frozen)} are frozen and nothing moves them; if they are a moving average, "
            f"override after_step.",
        )


def state_round_trip(trial: MethodTrial) -> None:
    """The state of a trained method, in a fresh one, goes on in the same way."""
    trained, other = trial.make(seed=0), trial.make(seed=1)
    trial.train(trained, steps=2)
    state: dict[str, Any] = trained.state_dict()
    if odd := [name for name, value in state.items() if not isinstance(value, Tensor)]:
        fail(
            "a state_dict of tensors only",
            f"{named(odd)}",
            "Checkpoints hold tensors: keep state in a buffer (register_buffer).",
        )
    other.load_state_dict(copied(state))
    losses = []
    for method in (trained, other):
        torch.manual_seed(3)
        losses.append(trial.train(method, steps=3))
    if losses[0] != losses[1]:
        fail(
            "the same losses after loading the state of a trained method",
            f"{losses[1]} where it would have been {losses[0]}",
            "Keep everything that steps change in parameters or buffers (register_buffer), not in "
            "Python attributes: a training that was interrupted goes on from them.",
        )


def pickles(trial: MethodTrial) -> None:
    """Class and settings can be sent to another process, for several devices."""
    sent(trial.method_class, trial.config)


def advise(error: Exception) -> str:
    """What to do about an exception that a method raised; "" where nobody knows."""
    if isinstance(error, AttributeError) and NOT_CALLED.search(str(error)):
        return "In __init__, call super().__init__(encoder, config) first."
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    methods = [found for f in frames if isinstance(found := f.f_locals.get("self"), Method)]
    if methods and isinstance(error, RuntimeError | ValueError) and MISFITS.search(str(error)):
        features = getattr(getattr(methods[-1], "encoder", None), "num_features", None)
        if features is not None:
            return (
                f"If it is about features: the encoder has num_features = {features} here; use "
                f"encoder.num_features."
            )
    return ""


def _broken(gradient: Tensor) -> bool:
    return not bool(torch.isfinite(gradient).all())


CHECKS = (
    settings,
    view_pattern,
    step,
    views_unchanged,
    gradients,
    encoder_is_trained,
    seeds,
    after_step,
    state_round_trip,
    pickles,
    *method_inputs.CHECKS,
    *learning.CHECKS,
)
SLOW = learning.SLOW
# A method that cannot be made, or makes no step, would only say so again in all others.
NEEDS = {check: step for check in CHECKS if check not in (settings, view_pattern, step, pickles)}
NEEDS[step] = view_pattern
