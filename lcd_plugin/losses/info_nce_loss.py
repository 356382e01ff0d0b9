"""Contrast between two sets of embeddings, with one or with several positives a row."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lcd_plugin.losses.batches import at_least_float32, check_gathering, check_rows, rows_of_all


class InfoNCELoss(nn.Module):
    """Implementation of InfoNCE [0] between two sets, with the patient positives of CLOCS [1].

    Unlike NT-Xent, a row of one set is compared with those of the other set only.

    - [0]: Contrastive Predictive Coding, 2018, https://arxiv.org/abs/1807.03748
    - [1]: CLOCS, 2020, https://arxiv.org/abs/2005.13249

    Attributes:
        temperature:
            Similarities are divided by it.
        gather_distributed:
            If True, the loss is that of the batches of all processes put together. All must be
            of one size.

    Raises:
        ValueError: If gather_distributed is True but torch.distributed is not available.

    Examples:
        >>> loss_fn = InfoNCELoss()
        >>> view_a, view_b = MultiLeadViews("ab")(signals)
        >>> loss = loss_fn(model(view_a), model(view_b))
    """

    def __init__(self, temperature: float = 0.1, gather_distributed: bool = False) -> None:
        super().__init__()
        check_gathering(gather_distributed)
        self.temperature = temperature
        self.gather_distributed = gather_distributed

    def forward(self, z_a: Tensor, z_b: Tensor, patients: Tensor | None = None) -> Tensor:
        """Mean over positive pairs (i, j) of -log softmax_j cos(z_a_i, z_b_j) / temperature.

        And the same from b to a; the loss is the mean of both directions.

        Args:
            z_a: Embeddings of one kind, shape (batch, dim).
            z_b: Embeddings of another kind, shape (batch, dim).
            patients: Whose they are, shape (batch,), integers: a pair is positive if they are
                equal. With None only the two embeddings of one record are.

        Returns:
            A scalar.

        Raises:
            ValueError: If shapes differ or the batch has fewer than two records.
        """
        check_rows("InfoNCELoss", z_a=z_a, z_b=z_b)
        with torch.autocast(device_type=z_a.device.type, enabled=False):
            z_a, z_b = (
                F.normalize(rows_of_all(at_least_float32(z), self.gather_distributed), dim=1)
                for z in (z_a, z_b)
            )
            similarity = z_a @ z_b.T / self.temperature
            if patients is None:
                positive = torch.eye(len(z_a), dtype=z_a.dtype, device=z_a.device)
            else:
                patients = rows_of_all(patients, self.gather_distributed)
                positive = (patients[:, None] == patients).to(z_a.dtype)
            # Weights in place of an index, whose shape would depend on who is in the batch.
            forward, backward = (F.log_softmax(similarity, dim=dim) for dim in (1, 0))
            return -(positive * (forward + backward)).sum() / (2 * positive.sum())
