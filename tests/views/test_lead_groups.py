"""Views for an encoder of all leads: leads are dealt out to the letters of the pattern."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Literal

import pytest
import torch
from scipy import stats

from lcd_plugin.pretrain.draws import EpochDraws, draw_epoch
from lcd_plugin.views import MultiLeadViews
from lcd_plugin.views.leads import check_pattern, deal_leads, letters_of, views_in

UNLIKELY = 1e-3
Per = Literal["batch", "sample"]


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _groups(
    pattern: str, leads: int, per: Per, batch: int = 12, seed: int = 0
) -> list[list[set[int]]]:
    """For every view the leads that each record shows; a signal is the number of its lead."""
    views = MultiLeadViews(pattern, time_out=(0.0, 0.0), per=per, in_leads=leads)
    numbers = torch.arange(1.0, leads + 1).reshape(1, leads, 1).repeat(batch, 1, 16)
    shown = []
    for view in views(numbers, _generator(seed)):
        assert view.shape == numbers.shape
        # At its own place, or zero.
        assert ((view == numbers) | (view == 0)).all()
        assert torch.equal(view, view[:, :, :1].expand_as(view))
        shown.append([set(record.nonzero().flatten().tolist()) for record in view[:, :, 0]])
    return shown


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize(
    ("pattern", "leads"), [("ab", 2), ("ab", 8), ("aba", 12), ("abc", 7), ("xbx", 3), ("abcd", 12)]
)
def test_groups_are_disjoint_even_and_cover_all(per: Per, pattern: str, leads: int) -> None:
    for seed in range(5):
        shown = dict(zip(pattern, _groups(pattern, leads, per, seed=seed), strict=True))
        for record in range(12):
            groups = [groups[record] for groups in shown.values()]
            assert set.union(*groups) == set(range(leads))
            assert sum(map(len, groups)) == leads
            sizes = sorted(map(len, groups))
            assert sizes[-1] - sizes[0] <= (leads % len(groups) > 0)


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_equal_letters_share_a_group(per: Per) -> None:
    one, two, three, everything = _groups("aba*", 6, per)
    assert one == three
    assert one != two
    assert all(leads == set(range(6)) for leads in everything)


def test_a_batch_shares_its_groups_and_samples_do_not() -> None:
    of_batches = set()
    for seed in range(20):
        one, _ = _groups("ab", 8, "batch", seed=seed)
        assert all(record == one[0] for record in one)
        of_batches.add(frozenset(one[0]))
    assert len(of_batches) > 10
    one, _ = _groups("ab", 8, "sample", batch=200)
    assert len({frozenset(record) for record in one}) > 40


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_every_group_is_equally_likely(per: Per) -> None:
    generator, draws = _generator(1), 3000
    if per == "sample":
        dealt = deal_leads("ab", 4, draws, per, generator)
    else:
        dealt = torch.cat([deal_leads("ab", 4, 1, per, generator) for _ in range(draws)])
    seen = Counter(map(tuple, dealt.tolist()))
    assert set(seen) == {d for d in itertools.product((0, 1), repeat=4) if sum(d) == 2}
    assert stats.chisquare(list(seen.values())).pvalue > UNLIKELY


@pytest.mark.parametrize("per", ["batch", "sample"])
@pytest.mark.parametrize(("pattern", "all_shown"), [("a", "*"), ("aa", "**"), ("a*", "**")])
def test_one_letter_shows_all_leads(per: Per, pattern: str, all_shown: str) -> None:
    signals = torch.randn(6, 5, 40)
    one, star = (
        MultiLeadViews(pattern, per=per, gain=(0.5, 2.0), in_leads=5),
        MultiLeadViews(all_shown, gain=(0.5, 2.0)),
    )
    draws = one.draw(6, _generator(3))
    assert torch.equal(draws, star.draw(6, _generator(3)))
    for view, other in zip(one.augment(signals, draws), star.augment(signals, draws), strict=True):
        torch.testing.assert_close(view, other, rtol=1e-6, atol=0)


@pytest.mark.parametrize("gain", [(1.0, 1.0), (0.5, 2.0)])
def test_silent_leads_are_zero_and_the_others_as_in_a_view_of_all(
    gain: tuple[float, float],
) -> None:
    signals = torch.randn(20, 7, 50) + 3
    views = MultiLeadViews("aba", per="sample", gain=gain, in_leads=7)
    star = MultiLeadViews("***", gain=gain)
    draws = views.draw(20, _generator(2))
    dealt = draws[-7:, :, 0].T
    usual = draws[:-7]
    assert torch.equal(usual, star.draw(20, _generator(2)))
    for letter, view, whole in zip(
        (0, 1, 0), views.augment(signals, draws), star.augment(signals, usual), strict=True
    ):
        silent = (dealt != letter)[..., None].expand_as(view)
        assert (view[silent] == 0).all()
        torch.testing.assert_close(view[~silent], whole[~silent], rtol=1e-6, atol=0)


def test_nothing_in_augment_is_random() -> None:
    signals = torch.randn(6, 4, 30)
    kept = signals.clone()
    views = MultiLeadViews("aba", per="sample", in_leads=4)
    draws = views.draw(6, _generator())
    state = torch.get_rng_state()
    one, other = views.augment(signals, draws), views.augment(signals, draws)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(signals, kept)


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_generator_decides(per: Per) -> None:
    assert _groups("ab", 8, per, seed=3) == _groups("ab", 8, per, seed=3)
    assert _groups("ab", 8, per, seed=3) != _groups("ab", 8, per, seed=4)


def test_half_precision_is_widened() -> None:
    views = MultiLeadViews("ab", in_leads=2)(torch.ones(3, 2, 20, dtype=torch.float16))
    assert all(view.dtype == torch.float32 for view in views)


@pytest.mark.parametrize("leads", [1, 3, 5])
def test_signals_of_other_leads_are_refused(leads: int) -> None:
    expected = f"reads 4 leads at once, the signals have {leads}"
    with pytest.raises(ValueError, match=expected):
        MultiLeadViews("aba", in_leads=4)(torch.zeros(2, leads, 20))


def test_more_letters_than_leads_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 3 different leads, the signals have 2"):
        MultiLeadViews("abc", in_leads=2)(torch.zeros(2, 2, 20))


def _epoch(per: Per, rank: int = 0, ranks: int = 1) -> EpochDraws:
    views = MultiLeadViews("aba", per=per, in_leads=6)
    return draw_epoch(
        views, (30, 6), 12, seed=5, epoch=2, device=torch.device("cpu"), rank=rank, ranks=ranks
    )


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_an_epoch_deals_anew_for_every_step_and_alike_on_all_devices(per: Per) -> None:
    whole = _epoch(per)
    assert torch.equal(whole.leads, torch.arange(6).expand(2, 12, 6))
    assert whole.views.shape == (2, 4 + 6, 12, 3)
    dealt = whole.views[:, 4:, :, 0]
    assert not torch.equal(dealt[0], dealt[1])
    assert torch.equal(dealt, dealt[:, :, :1].expand_as(dealt)) == (per == "batch")
    parts = [_epoch(per, rank, ranks=2) for rank in (0, 1)]
    for rank, part in enumerate(parts):
        assert torch.equal(part.rows, whole.rows[:, rank::2])
        assert torch.equal(part.views, whole.views[:, :, rank::2])


def test_encoders_of_one_lead_are_shown_what_they_were() -> None:
    views = MultiLeadViews("aba", in_leads=1)
    generator, plain = _generator(7), _generator(7)
    assert torch.equal(views.draw(5, generator), torch.rand(4, 5, 3, generator=plain))
    assert torch.equal(generator.get_state(), plain.get_state())
    leads = views.leads(6, 5, generator)
    assert torch.equal(leads, torch.rand(1, 6, generator=plain).argsort(1)[:, :2].expand(5, 2))
    assert torch.equal(generator.get_state(), plain.get_state())


class TestGroupsOfLetters:
    """A space in a pattern: leads are dealt out on either side of it, each side for itself."""

    @pytest.mark.parametrize("per", ["batch", "sample"])
    @pytest.mark.parametrize(
        ("pattern", "leads"), [("aa yz", 2), ("aba yzy", 8), ("ab cd ef", 7), ("a* z yx", 5)]
    )
    def test_each_group_shares_out_all_leads(self, per: Per, pattern: str, leads: int) -> None:
        for seed in range(5):
            shown = iter(_groups(pattern, leads, per, seed=seed))
            for group in pattern.split(" "):
                by_letter = {letter: next(shown) for letter in group}
                everything = by_letter.pop("*", None)
                for record in range(12):
                    parts = [parts[record] for parts in by_letter.values()]
                    assert sorted(lead for part in parts for lead in part) == list(range(leads))
                    sizes = sorted(map(len, parts))
                    assert sizes[-1] - sizes[0] <= (leads % len(parts) > 0)
                    assert everything is None or everything[record] == set(range(leads))

    @pytest.mark.parametrize("per", ["batch", "sample"])
    def test_groups_are_dealt_independently(self, per: Per) -> None:
        views, generator = MultiLeadViews("ab yz", per=per, in_leads=4), _generator(1)
        if per == "sample":
            dealt = views.draw(4000, generator)[4:, :, 0].T
        else:
            dealt = torch.cat([views.draw(2, generator)[4:, :1, 0].T for _ in range(4000)])
        assert dealt.shape == (4000, 2 * 4)
        pairs = Counter(map(tuple, dealt.tolist()))
        assert len(pairs) == 6 * 6
        assert stats.chisquare(list(pairs.values())).pvalue > UNLIKELY

    def test_a_group_of_one_letter_is_not_dealt(self) -> None:
        views = MultiLeadViews("aa yz", gain=(0.5, 2.0), in_leads=6)
        assert views.draw(3).shape == (5 + 6, 3, 4)
        assert MultiLeadViews("aa y zz", in_leads=6).draw(3).shape == (4, 3, 5)

    @pytest.mark.parametrize("per", ["batch", "sample"])
    @pytest.mark.parametrize("spaced", ["aa yz", "aba yzy", "ba* zy", "zx*z wyw"])
    def test_encoders_of_one_lead_are_shown_the_same_to_the_bit(
        self, per: Per, spaced: str
    ) -> None:
        signals = torch.randn(5, 6, 40)
        ours, plain = (
            MultiLeadViews(pattern, per=per)(signals, _generator(3))
            for pattern in (spaced, spaced.replace(" ", ""))
        )
        assert len(ours) == len(plain) == len(spaced) - 1
        assert all(torch.equal(a, b) for a, b in zip(ours, plain, strict=True))

    def test_an_epoch_deals_every_group(self) -> None:
        views = MultiLeadViews("aba yz", in_leads=6)
        drawn = draw_epoch(views, (30, 6), 12, seed=5, epoch=2, device=torch.device("cpu")).views
        assert drawn.shape == (2, 4 + 2 * 6, 12, 5)
        one, other = drawn[0, 4:10, 0, 0], drawn[0, 10:, 0, 0]
        assert one.sum() == other.sum() == 3
        assert not torch.equal(one, other)

    @pytest.mark.parametrize("pattern", ["", " ", "aa ", " aa", "aa  yz", "aa\tyz", "ab ya"])
    def test_what_is_no_pattern_is_refused(self, pattern: str) -> None:
        with pytest.raises(ValueError, match="view pattern"):
            check_pattern(pattern)

    def test_letters_and_views_leave_the_space_out(self) -> None:
        assert letters_of("ba* zy") == ["a", "b", "y", "z"]
        assert views_in("ba* zy") == "ba*zy"
