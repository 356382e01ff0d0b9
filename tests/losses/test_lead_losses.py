"""Lead correlation, lead decorrelation and InfoNCE against plain numpy, by themselves and apart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from lcd_plugin import LCDLoss, LeadCorrelationLoss, LeadDecorrelationLoss
from lcd_plugin.losses import InfoNCELoss

Array = NDArray[np.float64]
TIMEOUT_S = 90


def _arrays(count: int, batch: int = 11, dim: int = 4, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((dim, dim))
    return [rng.standard_normal((batch, dim)) @ mixing + i for i in range(count)]


def _tensors(arrays: list[Array]) -> list[Tensor]:
    return [torch.tensor(x, requires_grad=True) for x in arrays]


def _cosine(x: Array, y: Array) -> float:
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def _distance(p: Array, t: Array) -> float:
    return float(np.mean([2 - 2 * _cosine(p[i], t[i]) for i in range(len(p))]))


def _contrast(a: Array, b: Array, temperature: float, patients: list[int]) -> float:
    """CLOCS's loss, one pair at a time."""
    n, terms = len(a), []
    for i in range(n):
        for j in range(n):
            if patients[i] == patients[j]:
                here = np.exp(_cosine(a[i], b[j]) / temperature)
                others = sum(np.exp(_cosine(a[i], b[k]) / temperature) for k in range(n))
                backwards = sum(np.exp(_cosine(a[k], b[j]) / temperature) for k in range(n))
                terms += [-np.log(here / others), -np.log(here / backwards)]
    return float(np.mean(terms))


class TestLeadCorrelationLoss:
    def test_each_term_follows_the_formula(self) -> None:
        p_a, p_b, t_a = _arrays(3)
        loss = LeadCorrelationLoss(intra_correlation=0.5, inter_correlation=3.0)
        terms = loss.components(*_tensors([p_a, p_b, t_a]))
        assert terms.intra_correlation.item() == pytest.approx(0.5 * _distance(p_a, t_a))
        assert terms.inter_correlation.item() == pytest.approx(3.0 * _distance(p_b, t_a))
        assert terms.total.item() == loss(*_tensors([p_a, p_b, t_a])).item()

    def test_equal_directions_cost_nothing_and_opposite_ones_most(self) -> None:
        (x,) = _tensors(_arrays(1))
        assert LeadCorrelationLoss()(3 * x, x, x).item() == pytest.approx(0, abs=1e-12)
        assert LeadCorrelationLoss()(-x, -2 * x, x).item() == pytest.approx(8)

    def test_target_gets_no_gradient(self) -> None:
        p_a, p_b, t_a = _tensors(_arrays(3))
        LeadCorrelationLoss()(p_a, p_b, t_a).backward()
        assert t_a.grad is None
        assert p_a.grad.any()
        assert p_b.grad.any()


class TestLeadDecorrelationLoss:
    def test_sum_follows_the_formula_over_the_whole_matrix(self) -> None:
        gamma, lambda_param = 0.3, 0.2
        arrays = _arrays(2)
        z = np.concatenate(arrays, axis=1)
        z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5)
        c = z.T @ z / len(z)
        ones = np.diag(c)
        off_diagonal = np.sum(c**2) - np.sum(ones**2)
        expected = gamma * (np.sum((ones - 1) ** 2) + lambda_param * off_diagonal)
        loss = LeadDecorrelationLoss(gamma, lambda_param)(*_tensors(arrays))
        assert loss.item() == pytest.approx(expected, rel=1e-9)

    def test_weights_choose_blocks_of_the_matrix(self) -> None:
        tensors = _tensors(_arrays(2))
        intra, inter = LeadDecorrelationLoss().components(*tensors)
        weighted = LeadDecorrelationLoss(intra_decorrelation=0, inter_decorrelation=2)
        assert weighted(*tensors).item() == pytest.approx(2 * inter.item())
        assert intra.item() > 0

    def test_independent_dimensions_cost_less_than_copies(self) -> None:
        rng = np.random.default_rng(1)
        a, b = (torch.tensor(rng.standard_normal((400, 3))) for _ in range(2))
        copies = a[:, :1].expand(-1, 3)
        loss = LeadDecorrelationLoss()
        assert loss(a, b) < 0.1 * loss(a, a) < 0.1 * loss(copies, copies)


class TestInfoNCELoss:
    @pytest.mark.parametrize("patients", [[0, 0, 1, 2, 1, 1, 3], [5] * 7])
    def test_every_pair_of_a_patient_is_positive(self, patients: list[int]) -> None:
        a, b = _arrays(2, batch=7)
        loss = InfoNCELoss(temperature=0.3)(*_tensors([a, b]), torch.tensor(patients))
        assert loss.item() == pytest.approx(_contrast(a, b, 0.3, patients), rel=1e-9)

    def test_without_patients_it_is_cross_entropy_in_both_directions(self) -> None:
        a, b = _tensors(_arrays(2))
        unit = [x / x.norm(dim=1, keepdim=True) for x in (a, b)]
        logits, labels = unit[0] @ unit[1].T / 0.2, torch.arange(len(a))
        both = [torch.nn.functional.cross_entropy(x, labels) for x in (logits, logits.T)]
        loss = InfoNCELoss(temperature=0.2)(a, b)
        assert loss.item() == pytest.approx(sum(both).item() / 2, rel=1e-9)
        strangers = torch.randperm(len(a), generator=torch.Generator().manual_seed(0)) + 40
        assert InfoNCELoss(temperature=0.2)(a, b, strangers).item() == loss.item()

    def test_gradients_are_those_of_finite_differences(self) -> None:
        patients = torch.tensor([0, 1, 0, 2])
        loss = InfoNCELoss(temperature=0.5)
        tensors = _tensors(_arrays(2, batch=4, dim=3))
        assert torch.autograd.gradcheck(lambda *z: loss(*z, patients), tensors)


def test_lcd_is_the_sum_of_both() -> None:
    z_a, z_b, p_a, p_b, t_a = _tensors(_arrays(5))
    loss = LCDLoss(0.1, 0.2, intra_correlation=0.3, inter_decorrelation=0.4)(
        z_a, z_b, p_a, p_b, t_a
    )
    parts = LeadCorrelationLoss(intra_correlation=0.3)(p_a, p_b, t_a)
    parts = parts + LeadDecorrelationLoss(0.1, 0.2, inter_decorrelation=0.4)(z_a, z_b)
    assert loss.item() == pytest.approx(parts.item(), rel=1e-12)


LOSSES: list[tuple[type[torch.nn.Module], int]] = [
    (LeadCorrelationLoss, 3), (LeadDecorrelationLoss, 2), (InfoNCELoss, 2)
]  # fmt: skip


@pytest.mark.parametrize(("loss", "count"), LOSSES)
class TestAll:
    def test_tensors_of_other_shapes_are_named(
        self, loss: Callable[..., torch.nn.Module], count: int
    ) -> None:
        tensors = [torch.zeros(4, 8)] * (count - 1) + [torch.zeros(4, 7)]
        with pytest.raises(ValueError, match=r"Loss needs .*\(4, 7\)"):
            loss()(*tensors)
        with pytest.raises(ValueError, match=r"or more records.*\(0, 8\)"):
            loss()(*[torch.zeros(0, 8)] * count)

    def test_half_precision_is_computed_in_float32(
        self, loss: Callable[..., torch.nn.Module], count: int
    ) -> None:
        tensors = [torch.tensor(x).bfloat16() for x in _arrays(count)]
        expected = loss()(*(x.float() for x in tensors))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = loss()(*tensors)
        assert value.dtype == torch.float32
        assert value.item() == expected.item()

    def test_gathering_needs_torch_distributed(
        self, loss: Callable[..., torch.nn.Module], count: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dist, "is_available", lambda: False)
        with pytest.raises(ValueError, match=r"torch\.distributed is not available"):
            loss(gather_distributed=True)


WORKER = """
import datetime, os, sys
import numpy as np
import torch
import torch.distributed as dist
from lcd_plugin.losses import InfoNCELoss, LeadCorrelationLoss, LeadDecorrelationLoss

rank, store, given, result = int(sys.argv[1]), *sys.argv[2:]
dist.init_process_group(
    "gloo", init_method=f"file://{store}", rank=rank, world_size=2,
    timeout=datetime.timedelta(seconds=60),
)
arrays = {k: torch.tensor(np.split(v, 2)[rank]) for k, v in np.load(given).items()}
a, b, t = (arrays[k].requires_grad_() for k in "abt")
losses = [
    InfoNCELoss(0.3, gather_distributed=True)(a, b, arrays["patients"]),
    LeadCorrelationLoss(gather_distributed=True)(a, b, t),
    LeadDecorrelationLoss(gather_distributed=True)(a, b),
]
sum(losses).backward()
np.savez(result, losses=[x.item() for x in losses], a=a.grad, b=b.grad)
dist.barrier()
dist.destroy_process_group()
os._exit(0)
"""


def test_two_processes_with_half_a_batch_each_have_the_losses_of_the_whole(tmp_path: Path) -> None:
    a, b, t = _arrays(3, batch=8)
    # Patients 1 and 4 have records on both sides.
    patients = np.array([1, 1, 4, 2, 3, 4, 1, 5])
    np.savez(tmp_path / "given.npz", a=a, b=b, t=t, patients=patients)
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    paths = (tmp_path / "store", tmp_path / "given.npz")
    outputs = [tmp_path / f"rank{rank}.npz" for rank in range(2)]
    workers = [
        subprocess.Popen(
            [sys.executable, script, str(rank), *paths, output],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for rank, output in enumerate(outputs)
    ]
    try:
        said = [worker.communicate(timeout=TIMEOUT_S)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(said)

    whole = _tensors([a, b, t])
    expected = [
        InfoNCELoss(0.3)(whole[0], whole[1], torch.tensor(patients)),
        LeadCorrelationLoss()(*whole),
        LeadDecorrelationLoss()(*whole[:2]),
    ]
    sum(expected).backward()
    results = [np.load(output) for output in outputs]
    for result in results:
        np.testing.assert_allclose(result["losses"], [x.item() for x in expected], rtol=1e-12)
    for name, tensor in zip("ab", whole, strict=False):
        # Each process's gradient is of its own rows, times the number of processes that DDP's
        # mean over them divides by again.
        computed = np.concatenate([result[name] for result in results]) / 2
        np.testing.assert_allclose(computed, tensor.grad.numpy(), rtol=1e-9, atol=1e-12)
