"""The moving average of parameters against lightly's."""

from __future__ import annotations

import copy

import pytest
import torch
from lightly.models.utils import update_momentum
from torch import nn

from lcd_plugin.methods.moving_average import frozen_copy, update_moving_average


def _networks() -> tuple[nn.Module, nn.Module]:
    """A network and what could be its average, with statistics of their own."""
    torch.manual_seed(0)
    online = nn.Sequential(nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(24, 5))
    average = copy.deepcopy(online)
    for network in (online, average):
        for parameter in network.parameters():
            nn.init.normal_(parameter)
        network(torch.randn(6, 1, 8))
    average.requires_grad_(False)
    return online, average


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.996, 1.0])
def test_equals_lightlys(momentum: float) -> None:
    online, average = _networks()
    theirs = copy.deepcopy(average)
    for _ in range(5):
        update_moving_average(online, average, momentum)
        update_momentum(online, theirs, m=momentum)
    torch.testing.assert_close(average.state_dict(), theirs.state_dict(), rtol=1e-6, atol=1e-7)


def test_moves_parameters_and_nothing_else() -> None:
    online, average = _networks()
    before = {k: v.clone() for k, v in online.state_dict().items()}
    buffers = {k: v.clone() for k, v in average.named_buffers()}
    parameters = {k: v.clone() for k, v in average.named_parameters()}
    update_moving_average(online, average, 0.9)
    assert all(torch.equal(v, before[k]) for k, v in online.state_dict().items())
    assert buffers
    assert all(torch.equal(v, buffers[k]) for k, v in average.named_buffers())
    assert not any(torch.equal(v, parameters[k]) for k, v in average.named_parameters())


def test_stays_where_it_is_in_memory() -> None:
    """A captured graph knows no other addresses."""
    online, average = _networks()
    addresses = [p.data_ptr() for p in average.parameters()]
    update_moving_average(online, average, 0.9)
    assert [p.data_ptr() for p in average.parameters()] == addresses
    assert not {p.data_ptr() for p in online.parameters()} & set(addresses)


def test_leaves_no_gradients_behind() -> None:
    online, average = _networks()
    update_moving_average(online, average, 0.9)
    assert not any(p.requires_grad or p.grad_fn for p in average.parameters())
    assert all(p.requires_grad and p.grad is None for p in online.parameters())


class TestFrozenCopy:
    def test_is_the_network_itself_without_gradients(self) -> None:
        online, _ = _networks()
        state = torch.get_rng_state()
        average = frozen_copy(online)
        assert type(average) is type(online)
        assert list(average.state_dict()) == list(online.state_dict())
        torch.testing.assert_close(average.state_dict(), online.state_dict(), rtol=0, atol=0)
        assert not any(p.requires_grad for p in average.parameters())
        assert all(p.requires_grad for p in online.parameters())
        assert torch.equal(torch.get_rng_state(), state)

    def test_shares_no_memory(self) -> None:
        online, _ = _networks()
        before = {k: v.clone() for k, v in online.state_dict().items()}
        for value in frozen_copy(online).state_dict().values():
            value.zero_()
        torch.testing.assert_close(online.state_dict(), before, rtol=0, atol=0)
