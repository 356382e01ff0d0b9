"""LCD's parts beside any other method: `--set simclr.add=lead_decorrelation`."""

from __future__ import annotations

from string import ascii_lowercase

import torch
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from torch import Tensor, nn

from lcd_plugin.losses import LeadCorrelationLoss, LeadDecorrelationLoss
from lcd_plugin.methods.base import Method, MethodConfig, StepOutput, across_devices
from lcd_plugin.methods.moving_average import frozen_copy, update_moving_average
from lcd_plugin.views.leads import views_in

# The size of LCD's heads, and the momentum of its target.
DIM = 512
MOMENTUM = 0.996


def build_method(method_class: type[Method], encoder: nn.Module, config: MethodConfig) -> Method:
    """The method around an encoder, with the losses that its settings add to it."""
    method = method_class(encoder, config)
    return WithLeadLosses(method) if config.add else method


def views_of(method_class: type[Method], config: MethodConfig) -> str:
    """The views that a method needs, those of the losses added to it last.

    Theirs are of two leads of their own, `y` and `z` unless the method has these, in a group of
    their own, such as `aa yz`. So the method is shown the leads that it would be shown alone: those
    of an encoder of single leads are drawn in alphabetical order, and those of an encoder of all
    leads are dealt out in each group for itself.
    """
    if not config.add:
        return method_class.views
    first, second = [c for c in ascii_lowercase if c not in method_class.views][-2:]
    target = first if "lead_correlation" in dict(config.add) else ""
    return f"{method_class.views} {first}{second}{target}"


class WithLeadLosses(Method):
    """A method whose encoder also has to satisfy lead correlation, decorrelation, or both.

    Liu et al., Applied Soft Computing 172 (2025) 112871. The losses see two leads through a
    projector of their own; correlation has a predictor and a moving average too, as in LCD.

    Args:
        method: the method; `add` of its settings says which losses, with which weights.
    """

    def __init__(self, method: Method) -> None:
        # The encoder stays the method's: held here too, its tensors would have two names.
        nn.Module.__init__(self)
        self.method = method
        self.config = method.config
        self.views = views_of(type(method), method.config)  # type: ignore[misc]
        self.capturable = method.capturable  # type: ignore[misc]
        self.time_out = method.time_out  # type: ignore[misc]
        self.uses_patients = method.uses_patients  # type: ignore[misc]
        weights = dict(method.config.add)
        features = int(self.encoder.num_features)  # type: ignore[arg-type]
        self.projector = BYOLProjectionHead(features, DIM, DIM)
        self.correlation: LeadCorrelationLoss | None = None
        self.decorrelation: LeadDecorrelationLoss | None = None
        if weight := weights.get("lead_decorrelation"):
            self.decorrelation = LeadDecorrelationLoss(
                gamma=weight, gather_distributed=across_devices()
            )
        if weight := weights.get("lead_correlation"):
            self.correlation = LeadCorrelationLoss(
                across_devices(), intra_correlation=weight, inter_correlation=weight
            )
            self.predictor = BYOLPredictionHead(DIM, DIM, DIM)
            self.target_encoder = frozen_copy(self.encoder)
            self.target_projector = frozen_copy(self.projector)

    @property
    def encoder(self) -> nn.Module:  # type: ignore[override]
        """The method's encoder."""
        return self.method.encoder

    def training_step(self, views: list[Tensor], patients: Tensor | None = None) -> StepOutput:
        """The method's loss and the terms that are added to it, weights applied."""
        own = len(views_in(self.method.views))
        given = (views[:own], patients) if self.uses_patients else (views[:own],)
        base = self.method.training_step(*given)
        terms = self._lead_losses(views[own:])
        loss = torch.stack([base.loss, *terms.values()]).sum()
        return StepOutput(loss=loss, terms=base.terms | terms)

    def _lead_losses(self, views: list[Tensor]) -> dict[str, Tensor]:
        z_a, z_b = (self.projector(self.encoder(x)) for x in views[:2])
        terms = {}
        if self.correlation is not None:
            with torch.no_grad():
                t_a = self.target_projector(self.target_encoder(views[2]))
            p_a, p_b = self.predictor(z_a), self.predictor(z_b)
            terms["lead_correlation"] = self.correlation(p_a, p_b, t_a)
        if self.decorrelation is not None:
            terms["lead_decorrelation"] = self.decorrelation(z_a, z_b)
        return terms

    def after_step(self) -> None:
        """Move the method's moving average, and that of the added correlation."""
        self.method.after_step()
        if self.correlation is not None:
            update_moving_average(self.encoder, self.target_encoder, MOMENTUM)
            update_moving_average(self.projector, self.target_projector, MOMENTUM)
