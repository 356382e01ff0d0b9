"""LeJEPA against the formula of its paper, in numpy, and against lightly's loss as a whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lightly.loss import LeJEPALoss
from pydantic import ValidationError
from scipy.integrate import trapezoid
from torch import Tensor

from lcd_plugin import create_encoder
from lcd_plugin.methods.lejepa import LeJEPA, LeJEPAConfig
from lcd_plugin.methods.short_views import short_views

WEIGHT, DIRECTIONS = 0.3, 7
SMALL = LeJEPAConfig(
    hidden_dim=12, output_dim=5, lambda_param=WEIGHT, directions=DIRECTIONS, local_views=3
)


def _method() -> LeJEPA:
    torch.manual_seed(0)
    return LeJEPA(create_encoder("vgg16_1d", width=0.05), SMALL).double().train()


def _long() -> list[Tensor]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(9, 1, 256, dtype=torch.float64, generator=draw) for _ in range(2)]


def _projections(method: LeJEPA) -> Tensor:
    """As the step makes them from torch's generator as it is: long views, then short ones."""
    short = short_views(_long(), SMALL.local_share, SMALL.local_views)
    with torch.no_grad():
        return torch.stack([method.projector(method.encoder(x)) for x in [*_long(), *short]])


def test_the_loss_is_that_of_the_paper() -> None:
    method = _method()
    torch.manual_seed(5)
    z = _projections(method).numpy()
    directions = torch.randn(5, DIRECTIONS, dtype=torch.float64).numpy()

    invariance = np.mean((z - z[:2].mean(axis=0)) ** 2)
    # Epps and Pulley: distance of the characteristic functions of the projections of a view on
    # each direction and of a standard normal variable, weighted by the latter.
    frequencies = np.linspace(-3, 3, 33)
    normal = np.exp(-(frequencies**2) / 2)
    statistics = []
    for view in z:
        for direction in directions.T:
            along = view @ (direction / np.linalg.norm(direction))
            empirical = np.exp(1j * np.outer(along, frequencies)).mean(axis=0)
            distance = np.abs(empirical - normal) ** 2 * normal
            statistics.append(len(view) * trapezoid(distance, frequencies))
    normality = np.mean(statistics)

    torch.manual_seed(5)
    output = method.training_step(_long())

    # Lightly has the nodes of its integral in float32.
    assert output.terms["invariance"].item() == pytest.approx((1 - WEIGHT) * invariance, rel=1e-6)
    assert output.terms["normality"].item() == pytest.approx(WEIGHT * normality, rel=1e-5)
    assert output.loss.item() == pytest.approx(sum(t.item() for t in output.terms.values()))


def test_the_loss_is_lightlys() -> None:
    method = _method()
    torch.manual_seed(5)
    z = _projections(method)
    whole = LeJEPALoss(lambda_param=WEIGHT, sigreg_num_vectors=DIRECTIONS).double()
    expected = whole(local_proj=z[2:], global_proj=z[:2]).item()
    torch.manual_seed(5)
    assert method.training_step(_long()).loss.item() == pytest.approx(expected, rel=1e-6)


def test_views_that_are_all_alike_cost_normality() -> None:
    """What keeps it from collapse: no invariance to gain, and far from a Gaussian."""
    method = _method()
    for p in method.projector.parameters():
        p.data.zero_()
    terms = method.training_step(_long()).terms
    assert terms["invariance"].item() == 0
    assert terms["normality"].item() > WEIGHT


@pytest.mark.parametrize(
    "bad",
    [
        {"lambda_param": 1.1},
        {"lambda_param": -0.1},
        {"directions": 0},
        {"local_views": 0},
        {"local_share": 0},
        {"local_share": 1.1},
        {"output_dim": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        LeJEPAConfig(**bad)
