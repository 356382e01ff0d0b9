"""CLOCS against a double loop over pairs of records, and its segments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lcd_plugin import create_encoder
from lcd_plugin.methods.clocs import CLOCS, CLOCSConfig

TEMPERATURE = 0.2
PATIENTS = [0, 3, 0, 1, 2, 3, 0, 4, 5]


def _method() -> CLOCS:
    torch.manual_seed(0)
    config = CLOCSConfig(hidden_dim=12, output_dim=10, temperature=TEMPERATURE)
    return CLOCS(create_encoder("vgg16_1d", width=0.05), config).double().train()


def _views(time: int = 130) -> list[Tensor]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(9, 1, time, dtype=torch.float64, generator=draw) for _ in range(2)]


def _naive(method: CLOCS, views: list[Tensor], patients: list[int]) -> float:
    half = views[0].shape[-1] // 2
    segments = views[0][..., :half], views[1][..., views[1].shape[-1] - half :]
    with torch.no_grad():
        a, b = (method.projector(method.encoder(x)).numpy() for x in segments)

    def similar(i: int, j: int) -> float:
        cosine = a[i] @ b[j] / (np.linalg.norm(a[i]) * np.linalg.norm(b[j]))
        return float(np.exp(cosine / TEMPERATURE))

    n = len(a)
    terms = []
    for i in range(n):
        for j in range(n):
            if patients[i] == patients[j]:
                terms.append(-np.log(similar(i, j) / sum(similar(i, k) for k in range(n))))
                terms.append(-np.log(similar(i, j) / sum(similar(k, j) for k in range(n))))
    return float(np.mean(terms))


@pytest.mark.parametrize("time", [130, 131])
def test_records_of_a_patient_attract_each_other(time: int) -> None:
    method, views = _method(), _views(time)
    loss = method.training_step(views, torch.tensor(PATIENTS)).loss.item()
    assert loss == pytest.approx(_naive(method, views, PATIENTS), rel=1e-6)
    assert loss != pytest.approx(_naive(method, views, list(range(9))), rel=1e-3)


def test_without_patients_each_record_is_one() -> None:
    method, views = _method(), _views()
    loss = method.training_step(views).loss.item()
    assert loss == pytest.approx(_naive(method, views, list(range(9))), rel=1e-6)
    assert method.training_step(views, torch.arange(9) + 70).loss.item() == pytest.approx(loss)


def test_other_halves_are_not_looked_at() -> None:
    method, views = _method(), _views()
    loss = method.training_step(views).loss.item()
    views[0][..., 65:] = 7.0
    views[1][..., :65] = -7.0
    assert method.training_step(views).loss.item() == pytest.approx(loss, rel=1e-12)
    views[0][..., 64] = 7.0
    assert method.training_step(views).loss.item() != pytest.approx(loss, rel=1e-6)


def test_gradients_reach_the_encoder_from_both_segments() -> None:
    method, views = _method(), _views()
    for view in views:
        view.requires_grad_()
    method.training_step(views, torch.tensor(PATIENTS)).loss.backward()
    assert views[0].grad[..., :65].any()
    assert views[1].grad[..., 65:].any()
    assert all(p.grad.any() for p in method.encoder.parameters() if p.dim() > 1)
