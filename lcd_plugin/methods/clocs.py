"""CLOCS: contrast across time, leads and records of a patient."""

from __future__ import annotations

from typing import ClassVar

from lightly.models.modules.heads import SimCLRProjectionHead
from pydantic import Field
from torch import Tensor, nn

from lcd_plugin.losses import InfoNCELoss
from lcd_plugin.methods.base import Method, MethodConfig, StepOutput, across_devices


class CLOCSConfig(MethodConfig):
    """Settings of CLOCS; head and temperature are those of SimCLR here."""

    hidden_dim: int = Field(512, ge=1)
    output_dim: int = Field(128, ge=1)
    temperature: float = Field(0.1, gt=0)


class CLOCS(Method):
    """The start of a patient's lead and the end of another lead attract each other.

    Kiyasseh et al., https://arxiv.org/abs/2005.13249, in its form over segments and leads
    (CMSMLC). Records of one patient attract each other too, as far as they meet in a batch. No
    spans are silenced, since one could take a whole segment.
    """

    config_class: ClassVar[type[CLOCSConfig]] = CLOCSConfig
    views = "ab"
    capturable = True
    time_out = False
    uses_patients = True
    config: CLOCSConfig

    def __init__(self, encoder: nn.Module, config: CLOCSConfig | None = None) -> None:
        super().__init__(encoder, config)
        c = self.config
        features = int(encoder.num_features)  # type: ignore[arg-type]
        self.projector = SimCLRProjectionHead(features, c.hidden_dim, c.output_dim)
        self.loss = InfoNCELoss(c.temperature, gather_distributed=across_devices())

    def training_step(self, views: list[Tensor], patients: Tensor | None = None) -> StepOutput:
        """Contrast of the first half of view 1 with the second half of view 2.

        Args:
            views: leads a and b, each (batch, 1, time).
            patients: whose the records are, shape (batch,); None if each is a patient's only one.
        """
        view_a, view_b = views
        half = view_a.shape[-1] // 2
        z_a = self.projector(self.encoder(view_a[..., :half]))
        z_b = self.projector(self.encoder(view_b[..., -half:]))
        return StepOutput(loss=self.loss(z_a, z_b, patients), terms={})
