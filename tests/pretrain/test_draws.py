"""What is drawn for an epoch: the same for equal seeds, and shared out among devices."""

from __future__ import annotations

import itertools
from typing import Literal

import pytest
import torch

from lcd_plugin.pretrain.draws import EpochDraws, Purpose, derive_seed, draw_epoch
from lcd_plugin.views import MultiLeadViews

RECORDS, LEADS, BATCH = 50, 6, 12
STEPS = 4
Per = Literal["batch", "sample"]


def _draws(
    per: Per = "sample",
    seed: int = 3,
    epoch: int = 1,
    rank: int = 0,
    ranks: int = 1,
    pattern: str = "aba",
    gain: tuple[float, float] = (1.0, 1.0),
) -> EpochDraws:
    return draw_epoch(
        MultiLeadViews(pattern, per=per, gain=gain),
        (RECORDS, LEADS),
        BATCH,
        seed=seed,
        epoch=epoch,
        device=torch.device("cpu"),
        rank=rank,
        ranks=ranks,
    )


def _same(one: EpochDraws, other: EpochDraws) -> list[bool]:
    return [torch.equal(getattr(one, k), getattr(other, k)) for k in ("rows", "leads", "views")]


def _by_record(draws: EpochDraws) -> list[dict[int, tuple[list[int], list[list[float]]]]]:
    """For every step, what is drawn for each of its records."""
    return [
        {
            int(row): (draws.leads[step, i].tolist(), draws.views[step, :, i].tolist())
            for i, row in enumerate(draws.rows[step])
        }
        for step in range(len(draws.rows))
    ]


def test_shapes() -> None:
    draws = _draws()
    assert draws.rows.shape == (STEPS, BATCH)
    assert draws.leads.shape == (STEPS, BATCH, 2)
    assert draws.views.shape == (STEPS, 4, BATCH, 3)
    assert _draws(pattern="a*").leads.shape == (STEPS, BATCH, 1 + LEADS)


def test_a_gain_is_drawn_beside_the_rest() -> None:
    """Records and leads are in streams of their own."""
    loud, usual = _draws(gain=(0.5, 2.0)), _draws()
    assert loud.views.shape == (STEPS, 5, BATCH, 3)
    assert _same(loud, usual)[:2] == [True, True]


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_seed_and_epoch_decide(per: Per) -> None:
    torch.manual_seed(0)
    first = _draws(per)
    torch.manual_seed(1)
    torch.rand(5)
    assert all(_same(first, _draws(per)))
    assert not any(_same(first, _draws(per, seed=4)))
    assert not any(_same(first, _draws(per, epoch=2)))
    # Seed 4 in epoch 1 is not seed 3 in epoch 2.
    assert not any(_same(_draws(per, seed=4, epoch=1), _draws(per, seed=3, epoch=2)))


def test_torchs_own_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    _draws()
    assert torch.equal(torch.get_rng_state(), before)


def test_every_record_at_most_once() -> None:
    for epoch in (1, 2):
        rows = _draws(epoch=epoch).rows.flatten().tolist()
        assert len(set(rows)) == STEPS * BATCH
        assert set(rows) <= set(range(RECORDS))


def test_leads_are_drawn_anew_for_every_step() -> None:
    leads = _draws("batch").leads
    assert len({tuple(step[0].tolist()) for step in leads}) > 1
    assert len(torch.unique(_draws().views)) > 0.99 * _draws().views.numel()


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize(("ranks", "gain"), [(2, (1.0, 1.0)), (3, (1.0, 1.0)), (2, (0.5, 2.0))])
def test_devices_share_out_the_batches_of_one(
    per: Per, ranks: int, gain: tuple[float, float]
) -> None:
    """The same records in the same steps, each once and with the leads and views that it had."""
    shares = [_by_record(_draws(per, rank=rank, ranks=ranks, gain=gain)) for rank in range(ranks)]
    for step, whole in enumerate(_by_record(_draws(per, gain=gain))):
        parts = [share[step] for share in shares]
        assert [len(part) for part in parts] == [BATCH // ranks] * ranks
        assert all(not a.keys() & b.keys() for a, b in itertools.combinations(parts, 2))
        together = {row: drawn for part in parts for row, drawn in part.items()}
        assert together == whole


def test_leads_of_a_batch_are_the_same_on_all_devices() -> None:
    leads = torch.cat([_draws("batch", rank=rank, ranks=2).leads for rank in (0, 1)], dim=1)
    assert leads.shape[1] == BATCH
    assert torch.equal(leads, leads[:, :1].expand_as(leads))
    own = torch.cat([_draws("sample", rank=rank, ranks=2).leads for rank in (0, 1)], dim=1)
    assert not torch.equal(own, own[:, :1].expand_as(own))


def test_seeds_are_all_different_and_fit_into_torch() -> None:
    what = list(itertools.product(range(4), range(30), Purpose, range(4)))
    seeds = {derive_seed(seed, epoch, purpose, rank) for seed, epoch, purpose, rank in what}
    assert len(seeds) == len(what)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(1, 2, Purpose.VIEWS) == derive_seed(1, 2, Purpose.VIEWS, rank=0)
