"""The LCD loss against golden numbers and against a plain numpy version of its formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from lcd_plugin import LCDLoss

NAMES = ("z_a", "z_b", "p_a", "p_b", "t_a")
MECHANISMS = (
    "intra_correlation",
    "inter_correlation",
    "intra_decorrelation",
    "inter_decorrelation",
)


def _inputs(batch: int = 12, dim: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((dim, dim))
    z_a = rng.standard_normal((batch, dim)) @ mixing + 3
    return {
        "z_a": z_a,
        "z_b": 0.5 * z_a + rng.standard_normal((batch, dim)),
        "p_a": rng.standard_normal((batch, dim)),
        "p_b": rng.standard_normal((batch, dim)),
        "t_a": rng.standard_normal((batch, dim)),
    }


def _tensors(arrays: dict[str, np.ndarray]) -> list[torch.Tensor]:
    return [torch.tensor(arrays[name], requires_grad=True) for name in NAMES]


def _naive(
    arrays: dict[str, np.ndarray], gamma: float = 0.005, lambda_param: float = 0.0051
) -> dict[str, float]:
    """The formula, one record and one matrix element at a time."""
    batch, dim = arrays["z_a"].shape

    def distance(p: np.ndarray, t: np.ndarray) -> float:
        cosines = [
            sum(x * y for x, y in zip(p[i], t[i], strict=True))
            / (np.linalg.norm(p[i]) * np.linalg.norm(t[i]))
            for i in range(batch)
        ]
        return float(np.mean([2 - 2 * c for c in cosines]))

    columns = np.concatenate([arrays["z_a"], arrays["z_b"]], axis=1)
    for j in range(2 * dim):
        column = columns[:, j]
        mean = sum(column) / batch
        variance = sum((column - mean) ** 2) / batch
        columns[:, j] = (column - mean) / np.sqrt(variance + 1e-5)
    intra = inter = 0.0
    for i in range(2 * dim):
        for j in range(2 * dim):
            c = sum(columns[b, i] * columns[b, j] for b in range(batch)) / batch
            if i == j:
                intra += (c - 1) ** 2
            elif (i < dim) == (j < dim):
                intra += lambda_param * c**2
            else:
                inter += lambda_param * c**2
    return {
        "intra_correlation": distance(arrays["p_a"], arrays["t_a"]),
        "inter_correlation": distance(arrays["p_b"], arrays["t_a"]),
        "intra_decorrelation": gamma * intra,
        "inter_decorrelation": gamma * inter,
    }


@pytest.mark.parametrize("case", [0, 1, 2])
def test_golden_values_and_gradients(golden: Path, case: int) -> None:
    with np.load(golden / "lcd_loss.npz") as file:
        numbers = {k.split("/")[1]: file[k] for k in file.files if k.startswith(f"case{case}/")}
    tensors = _tensors(numbers)

    terms = LCDLoss(gamma=float(numbers["gamma"]), lambda_param=0.0051).components(*tensors)
    terms.total.backward()

    decorrelation = terms.intra_decorrelation + terms.inter_decorrelation
    computed = {
        "intra_correlation": terms.intra_correlation,
        "inter_correlation": terms.inter_correlation,
        "decorrelation": decorrelation,
        "total": terms.total,
    }
    for name, value in computed.items():
        np.testing.assert_allclose(value.item(), numbers[name], rtol=1e-6, err_msg=name)
    for name, tensor in zip(NAMES[:4], tensors[:4], strict=True):
        expected = numbers[f"grad_{name}"]
        # Relative to the largest element too: single elements can be as good as zero.
        atol = 1e-9 * np.abs(expected).max()
        np.testing.assert_allclose(
            tensor.grad.numpy(), expected, rtol=1e-6, atol=atol, err_msg=name
        )


@pytest.mark.parametrize(("gamma", "lambda_param"), [(0.005, 0.0051), (0.3, 0.7), (1.0, 0.0)])
def test_each_mechanism_follows_the_formula(gamma: float, lambda_param: float) -> None:
    arrays = _inputs()
    terms = LCDLoss(gamma, lambda_param).components(*_tensors(arrays))
    for name, expected in _naive(arrays, gamma, lambda_param).items():
        assert getattr(terms, name).item() == pytest.approx(expected, rel=1e-9, abs=1e-15), name


def test_constant_projections_are_as_far_from_decorrelated_as_can_be() -> None:
    """A collapsed encoder has C = 0: every diagonal element is off by one."""
    constant = torch.full((8, 6), 2.5, dtype=torch.float64)
    terms = LCDLoss(gamma=1.0).components(constant, constant, constant, constant, constant)
    assert terms.intra_decorrelation.item() == pytest.approx(2 * 6)
    assert terms.inter_decorrelation.item() == 0
    assert terms.intra_correlation.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_weight_zero_removes_one_mechanism_only(mechanism: str) -> None:
    tensors = _tensors(_inputs())
    full = LCDLoss().components(*tensors)._asdict()
    less = LCDLoss(**{mechanism: 0.0}).components(*tensors)._asdict()
    assert less[mechanism].item() == 0
    for other in MECHANISMS:
        if other != mechanism:
            assert less[other].item() == full[other].item()
            assert full[other].item() > 0
    assert less["total"].item() == pytest.approx(full["total"].item() - full[mechanism].item())


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_weight_scales_its_mechanism(mechanism: str) -> None:
    tensors = _tensors(_inputs())
    one = getattr(LCDLoss().components(*tensors), mechanism).item()
    three = getattr(LCDLoss(**{mechanism: 3.0}).components(*tensors), mechanism).item()
    assert three == pytest.approx(3 * one)


def test_weight_zero_stops_the_gradient_of_its_mechanism() -> None:
    tensors = _tensors(_inputs())
    LCDLoss(intra_decorrelation=0, inter_decorrelation=0)(*tensors).backward()
    z_a, z_b, p_a, p_b, _ = tensors
    assert all(z.grad is None or not z.grad.any() for z in (z_a, z_b))
    assert p_a.grad.abs().sum() > 0
    assert p_b.grad.abs().sum() > 0


def test_terms_add_up_to_the_loss() -> None:
    tensors = _tensors(_inputs(seed=3))
    weights = dict(zip(MECHANISMS, (0.7, 1.3, 2.0, 0.4), strict=True))
    loss = LCDLoss(gamma=0.02, **weights)
    terms = loss.components(*tensors)
    assert sum(t.item() for t in terms[:4]) == pytest.approx(terms.total.item(), rel=1e-12)
    assert loss(*tensors).item() == terms.total.item()


def test_target_gets_no_gradient() -> None:
    tensors = _tensors(_inputs())
    LCDLoss()(*tensors).backward()
    assert tensors[4].grad is None
    assert all(t.grad is not None and t.grad.abs().sum() > 0 for t in tensors[:4])


def test_gradients_are_those_of_finite_differences() -> None:
    tensors = _tensors(_inputs(batch=5, dim=3))
    loss = LCDLoss(gamma=0.5, lambda_param=0.3)
    target = tensors[4].detach()
    assert torch.autograd.gradcheck(lambda *x: loss(*x, target), tensors[:4])


@pytest.mark.parametrize(
    ("shapes", "shown"),
    [
        ([(4, 8)] * 4 + [(5, 8)], "(5, 8)"),
        ([(4, 8)] * 3 + [(4, 7)] * 2, "(4, 7)"),
        ([(1, 8)] * 5, "(1, 8)"),
        ([(8,)] * 5, "(8,)"),
        ([(4, 8, 2)] * 5, "(4, 8, 2)"),
        ([(0, 8)] * 5, "(0, 8)"),
    ],
)
def test_wrong_shapes_are_named(shapes: list[tuple[int, ...]], shown: str) -> None:
    with pytest.raises(ValueError, match="LCDLoss needs") as error:
        LCDLoss()(*(torch.zeros(shape) for shape in shapes))
    assert shown in str(error.value)
    assert all(name in str(error.value) for name in NAMES)


def test_gathering_needs_torch_distributed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"torch\.distributed is not available"):
        LCDLoss(gather_distributed=True)
    LCDLoss(gather_distributed=False)


def test_gathering_in_a_single_process_changes_nothing() -> None:
    tensors = _tensors(_inputs())
    assert LCDLoss(gather_distributed=True)(*tensors).item() == LCDLoss()(*tensors).item()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_inputs_are_computed_in_float32(dtype: torch.dtype) -> None:
    arrays = _inputs(batch=64, dim=16)
    whole = [torch.tensor(arrays[n], dtype=torch.float32) for n in NAMES]
    halves = [x.to(dtype) for x in whole]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = LCDLoss()(*halves)
    assert loss.dtype == torch.float32
    # Exactly the float32 loss of the rounded inputs, and near that of the unrounded ones.
    assert loss.item() == LCDLoss()(*(x.float() for x in halves)).item()
    assert loss.item() == pytest.approx(LCDLoss()(*whole).item(), rel=2e-2)
