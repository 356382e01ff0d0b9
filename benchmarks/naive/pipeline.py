"""Pretraining as it is usually written, for comparison with the engine: same work, no tricks.

A dataset augments one record at a time in DataLoader workers (every lead of every view, resampled
by scipy), the batch comes to the step in float32, and each view takes a forward pass of its own
through one-dimensional layers. Written for this comparison; nothing in the package uses it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from lightly.data.multi_view_collate import MultiViewCollate
from lightly.loss import NegativeCosineSimilarity, NTXentLoss, VICRegLoss
from lightly.models.modules.heads import (
    BYOLPredictionHead,
    BYOLProjectionHead,
    SimCLRProjectionHead,
    VICRegProjectionHead,
)
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms.multi_view_transform import MultiViewTransform
from numpy.typing import NDArray
from scipy.signal import resample
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

CHANNELS = (
    8,
    8,
    "pool",
    16,
    16,
    "pool",
    32,
    32,
    32,
    "pool",
    64,
    64,
    64,
    "pool",
    64,
    64,
    64,
    "pool",
)
FEATURES, HIDDEN, OUTPUT = 64, 512, 512
N_VIEWS = {"lcd": 3, "simclr": 2, "byol": 2, "vicreg": 2}


class Augment:
    """Random resized crop and time-out of one record, shape (leads, time), all leads alike."""

    def __call__(self, record: NDArray[np.float32]) -> Tensor:
        """A new view."""
        length = record.shape[1]
        kept = int(length * np.random.uniform(0.5, 1.0))
        start = np.random.randint(0, length - kept + 1)
        view = resample(record[:, start : start + kept], length, axis=1).astype(np.float32)
        silent = int(length * np.random.uniform(0.0, 0.5))
        start = np.random.randint(0, length - silent + 1)
        view[:, start : start + silent] = 0
        return torch.from_numpy(view)


class Records(Dataset):  # type: ignore[type-arg]
    """Records of a float16 array, each augmented when it is asked for."""

    def __init__(self, signals: NDArray[np.float16], n_views: int) -> None:
        self.signals = signals
        self.transform = MultiViewTransform([Augment()] * n_views)

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, index: int) -> tuple[list[Tensor], int, str]:
        """Views of a record, and the target and name that lightly's collate expects."""
        return self.transform(self.signals[index].astype(np.float32)), 0, str(index)


class VGG(nn.Module):
    """VGG16 of the LCD paper at width 0.125, for (batch, 1, time)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for outputs in CHANNELS:
            if isinstance(outputs, str):
                layers.append(nn.MaxPool1d(2))
                continue
            layers += [nn.Conv1d(inputs, outputs, 3, padding=1), nn.BatchNorm1d(outputs), nn.ReLU()]
            inputs = outputs
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, time) to (batch, 64)."""
        return self.layers(x).mean(dim=2)  # type: ignore[no-any-return]


class NaiveMethod(nn.Module):
    """Encoder, heads, target and loss of a method, as in lightly's examples."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.encoder = VGG()
        if name in ("lcd", "byol"):
            self.projector: nn.Module = BYOLProjectionHead(FEATURES, HIDDEN, OUTPUT)
            self.predictor = BYOLPredictionHead(OUTPUT, HIDDEN, OUTPUT)
            self.target_encoder = copy.deepcopy(self.encoder)
            self.target_projector = copy.deepcopy(self.projector)
            deactivate_requires_grad(self.target_encoder)
            deactivate_requires_grad(self.target_projector)
        elif name == "simclr":
            self.projector = SimCLRProjectionHead(FEATURES, HIDDEN, 128)
            self.contrast = NTXentLoss(temperature=0.1)
        else:
            self.projector = VICRegProjectionHead(FEATURES, HIDDEN, OUTPUT)
            self.vicreg = VICRegLoss()
        self.cosine = NegativeCosineSimilarity()

    def forward(self, views: list[Tensor]) -> Tensor:
        """Loss of views of all leads, each (batch, leads, time); leads are drawn here."""
        a, b = np.random.choice(views[0].shape[1], 2, replace=False)
        loss: Callable[[list[Tensor], int, int], Tensor] = getattr(self, f"_{self.name}")
        return loss(views, int(a), int(b))

    def _online(self, view: Tensor, lead: int) -> Tensor:
        return self.projector(self.encoder(view[:, lead : lead + 1]))  # type: ignore[no-any-return]

    @torch.no_grad()
    def _target(self, view: Tensor, lead: int) -> Tensor:
        z = self.target_encoder(view[:, lead : lead + 1])
        return self.target_projector(z)  # type: ignore[no-any-return]

    def _lcd(self, views: list[Tensor], a: int, b: int) -> Tensor:
        z_a, z_b = self._online(views[0], a), self._online(views[1], b)
        target = self._target(views[2], a)
        intra = 2 + 2 * self.cosine(self.predictor(z_a), target)
        inter = 2 + 2 * self.cosine(self.predictor(z_b), target)
        z = torch.cat([z_a, z_b], dim=1)
        z = (z - z.mean(0)) / (z.var(0, correction=0) + 1e-5).sqrt()
        c = z.T @ z / len(z)
        on = (torch.diagonal(c) - 1).square().sum()
        off = c.square().sum() - torch.diagonal(c).square().sum()
        return intra + inter + 0.005 * (on + 0.0051 * off)

    def _byol(self, views: list[Tensor], a: int, b: int) -> Tensor:
        p_0, p_1 = (self.predictor(self._online(x, a)) for x in views)
        t_0, t_1 = (self._target(x, a) for x in views)
        return 4 + 2 * self.cosine(p_0, t_1) + 2 * self.cosine(p_1, t_0)

    def _simclr(self, views: list[Tensor], a: int, b: int) -> Tensor:
        return self.contrast(self._online(views[0], a), self._online(views[1], a))  # type: ignore[no-any-return]

    def _vicreg(self, views: list[Tensor], a: int, b: int) -> Tensor:
        return self.vicreg(self._online(views[0], a), self._online(views[1], a))  # type: ignore[no-any-return]

    def after_step(self) -> None:
        """Move the target towards the online network."""
        if self.name in ("lcd", "byol"):
            update_momentum(self.encoder, self.target_encoder, m=0.996)
            update_momentum(self.projector, self.target_projector, m=0.996)


class NaivePipeline:
    """A method with its loader and optimiser; `epoch` trains once over the records.

    Args:
        name: lcd, simclr, byol or vicreg.
        signals: float16, shape (records, leads, time).
        batch_size: records a step.
        workers: DataLoader workers, started anew every epoch as is the default.
        device: where the step computes.
    """

    def __init__(
        self,
        name: str,
        signals: NDArray[np.float16],
        *,
        batch_size: int,
        workers: int,
        device: str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.method = NaiveMethod(name).to(self.device)
        self.optimiser = torch.optim.Adam(
            [p for p in self.method.parameters() if p.requires_grad], lr=1e-3
        )
        self.loader: DataLoader[tuple[list[Tensor], Tensor, list[str]]] = DataLoader(
            Records(signals, N_VIEWS[name]),
            batch_size=batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            collate_fn=MultiViewCollate(),
        )

    def epoch(self) -> float:
        """Train once over the records; the mean loss."""
        total = 0.0
        for views, _, _ in self.loader:
            loss = self.method([view.to(self.device) for view in views])
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            self.method.after_step()
            total += loss.item()
        return total / len(self.loader)

    def records_per_s(self, epochs: int = 1) -> float:
        """Records taken in by one second of whole epochs."""
        start = time.perf_counter()
        for _ in range(epochs):
            self.epoch()
        batch = self.loader.batch_size or 0
        return epochs * len(self.loader) * batch / (time.perf_counter() - start)
