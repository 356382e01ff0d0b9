"""What a pretraining method must cope with: leads, encoders, precisions, patients, graphs."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
from torch import Tensor

from lcd_plugin.counted import counted
from lcd_plugin.methods.base import Method
from lcd_plugin.testing.check import fail
from lcd_plugin.testing.host_reads import HostReadError, NoCopiesToHost, NoHostReads
from lcd_plugin.testing.method_trial import (
    BATCH,
    MethodTrial,
    TinyEncoder,
    check_output,
    narrow_vgg,
)

LEAD_COUNTS = (1, 2, 8, 12)
JOINT_LEADS = 8
# How far a loss in bf16 may be from that in float32: its numbers have 8 bits.
BF16_TOLERANCE = 0.05
# Updates before the one that a GPU would keep: what happens only in the first does not matter.
BEFORE_CAPTURE = 2


def lead_counts(trial: MethodTrial) -> str:
    """It trains on records of 1, 2, 8 and 12 leads."""
    left_out = [n for n in LEAD_COUNTS if n < trial.letters]
    for leads in LEAD_COUNTS:
        if leads in left_out:
            continue
        method = trial.make()
        output = trial.step(method, trial.views(leads=leads))
        check_output(output, f" with records of {counted(leads, 'lead')}")
        output.loss.backward()  # type: ignore[no-untyped-call]
    if not left_out:
        return ""
    *fewer, most = left_out
    numbers = " and ".join([*map(str, fewer), counted(most, "lead")])
    return (
        f"records of {numbers} were left out: the views "
        f"'{trial.pattern}' show {trial.letters}, and the host refuses fewer"
    )


def all_leads_at_once(trial: MethodTrial) -> None:
    """It trains an encoder that reads all leads of a view at once."""
    for encoder in (narrow_vgg, TinyEncoder):
        method = trial.make(in_leads=JOINT_LEADS, encoder=encoder)
        output = trial.step(method, trial.views(leads=JOINT_LEADS, in_leads=JOINT_LEADS))
        check_output(output, f" with an encoder of {JOINT_LEADS} leads")
        output.loss.backward()  # type: ignore[no-untyped-call]


def other_encoder(trial: MethodTrial) -> None:
    """It trains an encoder of another build, which has only what encoders must have."""
    method = trial.make(encoder=TinyEncoder)
    before = copy.deepcopy(method.encoder)
    trial.train(method, steps=2)
    check_output(trial.step(method, trial.views(5)), " with an encoder of another build")
    pairs = zip(before.parameters(), method.encoder.parameters(), strict=True)
    if all(torch.equal(old, new) for old, new in pairs):
        fail(
            "an encoder of another build to be trained",
            "the weights that it had before",
            "Take nothing of an encoder but a call, num_features, in_leads and forward_features.",
        )


def bf16(trial: MethodTrial) -> None:
    """Under bf16 autocast the loss is in float32 and near what it is in float32."""
    method = trial.make()
    views = trial.views()
    torch.manual_seed(3)
    exact = trial.step(copy.deepcopy(method), views).loss
    torch.manual_seed(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = trial.step(method, views)
    output.loss.backward()  # type: ignore[no-untyped-call]
    advice = (
        "Wrap the loss in Float32Loss of lcd_plugin.methods.base: covariances and similarities "
        "over a small temperature do not survive 8 bits."
    )
    if output.loss.dtype != torch.float32:
        fail("a loss in float32 under bf16 autocast", f"{output.loss.dtype}", advice)
    check_output(output, " under bf16 autocast")
    far = abs(output.loss.item() - exact.item())
    if far > BF16_TOLERANCE * max(abs(exact.item()), 0.1):
        fail(
            f"a loss under bf16 autocast within {BF16_TOLERANCE:.0%} of {exact.item():.4g}",
            f"{output.loss.item():.4g}",
            advice,
        )


def patients(trial: MethodTrial) -> str:
    """A method that uses patients tells records of one patient by them."""
    if not trial.method_class.uses_patients:
        return "the method does not use patients"
    alone, two_each = torch.arange(BATCH), torch.arange(BATCH) // 2
    given = [_loss_with(trial, numbers) for numbers in (None, alone, 7 * alone, two_each)]
    if not given[0] == given[1] == given[2]:
        fail(
            "one loss where every record is a patient, however they are numbered",
            f"{given[0]:.6g} for None, {given[1]:.6g} for 0, 1, 2 and {given[2]:.6g} for 0, 7, 14",
            "Take patients for names: compare them with ==, and take None for torch.arange(batch).",
        )
    if given[3] == given[0]:
        fail(
            "another loss where records share a patient",
            f"{given[3]:.6g} both ways",
            "Use `patients` in the loss, or leave uses_patients out.",
        )
    return ""


def capturable(trial: MethodTrial) -> str:
    """A method that says it is capturable reads nothing on the host and counts nothing there."""
    if not trial.method_class.capturable:
        return "the method does not say that it is capturable"
    method = trial.make()
    trial.train(method, steps=BEFORE_CAPTURE)
    before = _python_state(method)
    views = trial.views(9)
    leave_out = "or leave `capturable` out."
    try:
        with NoHostReads(), NoCopiesToHost():  # type: ignore[no-untyped-call]
            trial.step(method, views).loss.backward()  # type: ignore[no-untyped-call]
            method.after_step()
    except HostReadError as error:
        fail(
            "a step that a GPU can replay, since capturable is set",
            f"one that does not stay on the device: {error}",
            f"Use torch.where and masks of one shape in place of .item(), `if` and x[mask], "
            f"{leave_out}",
        )
    after = _python_state(method)
    if moved := sorted(key for key in after if after[key] != before.get(key)):
        fail(
            "no Python state that steps change, since capturable is set",
            f"{moved[0]} went from {before.get(moved[0])} to {after[moved[0]]}",
            f"A replay does not run Python: keep it in a buffer, {leave_out}",
        )
    return ""


def check_arguments(method_class: type[Method]) -> None:
    """Fail unless a method that uses patients takes them."""
    signature = inspect.signature(method_class.training_step)
    parameter = signature.parameters.get("patients")
    if method_class.uses_patients and (parameter is None or parameter.default is not None):
        fail(
            "training_step(self, views, patients=None), since uses_patients is set",
            f"training_step{signature}",
            "Add the argument; None means that every record is a patient of its own.",
        )


def _loss_with(trial: MethodTrial, numbers: Tensor | None) -> float:
    method: Any = trial.make()
    torch.manual_seed(3)
    with torch.no_grad():
        return float(method.training_step(trial.views(), numbers).loss)


def _python_state(method: Method) -> dict[str, Any]:
    """Plain numbers and strings that modules hold, by name of module and attribute."""
    return {
        f"{name or 'self'}.{key}": value
        for name, module in method.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, bool | int | float | str)
    }


CHECKS = (lead_counts, all_leads_at_once, other_encoder, bf16, patients, capturable)
