"""Six optimisation steps of the whole method against golden numbers, in double precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lcd_plugin import create_encoder
from lcd_plugin.methods.lcd import LCD, LCDConfig

STEPS = 6


@pytest.fixture(scope="module")
def numbers(golden: Path) -> dict[str, np.ndarray]:
    with np.load(golden / "lcd_trajectory.npz") as file:
        return dict(file)


def _fill_encoder(encoder: nn.Module, numbers: dict[str, np.ndarray]) -> None:
    """Golden parameters are in forward order, as a module's own are."""
    arrays = [v for k, v in numbers.items() if k.startswith("init/online/encoder.")]
    for parameter, array in zip(encoder.parameters(), arrays, strict=True):
        assert parameter.shape == array.shape
        parameter.data = torch.tensor(array)


def _fill_head(head: nn.Module, numbers: dict[str, np.ndarray], prefix: str) -> None:
    """The first linear layer's golden bias is left out: batch norm takes it away again."""
    linear, norm, _, last = head.layers
    for parameter, key in (
        (linear.weight, "net.0.weight"),
        (norm.weight, "net.1.weight"),
        (norm.bias, "net.1.bias"),
        (last.weight, "net.3.weight"),
        (last.bias, "net.3.bias"),
    ):
        array = numbers[prefix + key]
        assert parameter.shape == array.shape
        parameter.data = torch.tensor(array)
    assert linear.bias is None


def _method(numbers: dict[str, np.ndarray]) -> LCD:
    encoder = create_encoder("vgg16_1d", width=0.125)
    method = LCD(encoder, LCDConfig(hidden_dim=64, output_dim=64)).double()
    _fill_encoder(method.encoder, numbers)
    _fill_head(method.projector, numbers, "init/online/projection.")
    _fill_head(method.predictor, numbers, "init/predictor/")
    method.target_encoder.load_state_dict(method.encoder.state_dict())
    method.target_projector.load_state_dict(method.projector.state_dict())
    return method


def test_losses_and_features_of_six_steps(numbers: dict[str, np.ndarray]) -> None:
    method = _method(numbers)
    trained = [p for p in method.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=1e-3)
    losses = []
    for k in range(STEPS):
        output = method.training_step(list(torch.tensor(numbers[f"step{k}/views"])))
        optimiser.zero_grad()
        output.loss.backward()
        optimiser.step()
        method.after_step()
        terms = {name: value.item() for name, value in output.terms.items()}
        losses.append(
            (
                terms["intra_correlation"],
                terms["inter_correlation"],
                terms["intra_decorrelation"] + terms["inter_decorrelation"],
                output.loss.item(),
            )
        )
    np.testing.assert_allclose(losses, numbers["losses"], rtol=1e-6)

    method.eval()
    with torch.no_grad():
        signals = torch.tensor(numbers["final/input"])
        features = method.encoder(signals).numpy()
        target_features = method.target_encoder(signals).numpy()
    for computed, name in (
        (features, "final/features"),
        (target_features, "final/target_features"),
    ):
        scale = np.abs(numbers[name]).max()
        np.testing.assert_allclose(computed, numbers[name], rtol=1e-6, atol=1e-6 * scale)
    # The two must not have been the same all along.
    assert np.abs(features - target_features).max() > 1e-3 * np.abs(features).max()
