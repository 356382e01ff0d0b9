"""Which leads the views show, read off signals that say which lead they are."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, Literal

import numpy as np
import pytest
import torch
from scipy import stats

from lcd_plugin import MultiLeadViews
from lcd_plugin.views import draw_leads, take_leads
from lcd_plugin.views.augment import resized_crop, silence

UNLIKELY = 1e-3


def _named_leads(batch: int, leads: int, time: int = 16) -> torch.Tensor:
    """The value of a signal is the number of its lead, from 1."""
    return torch.arange(1.0, leads + 1).reshape(1, leads, 1).repeat(batch, 1, time)


def _leads_of(views: list[torch.Tensor]) -> list[list[int]]:
    """For every view the lead of each record; checks that a view shows one lead throughout."""
    shown = []
    for view in views:
        assert torch.equal(view, view[:, :, :1].expand_as(view))
        shown.append([int(x) for x in view[:, 0, 0]])
    return shown


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _quiet(pattern: str, per: Literal["batch", "sample"] = "batch") -> MultiLeadViews:
    """Views without silences, so that the lead can be read off."""
    return MultiLeadViews(pattern, time_out=(0.0, 0.0), per=per)


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_equal_letters_share_a_lead_and_others_never_do(per: Literal["batch", "sample"]) -> None:
    generator = _generator()
    for _ in range(30):
        one, two, three = _leads_of(_quiet("aba", per)(_named_leads(8, 3), generator))
        assert one == three
        assert all(a != b for a, b in zip(one, two, strict=True))


def test_a_batch_shares_its_leads() -> None:
    views = _quiet("ab", "batch")
    pairs = set()
    for seed in range(30):
        one, two = _leads_of(views(_named_leads(16, 4), _generator(seed)))
        assert len(set(one)) == len(set(two)) == 1
        pairs.add((one[0], two[0]))
    assert len(pairs) > 5


def test_records_have_leads_of_their_own() -> None:
    one, two = _leads_of(_quiet("ab", "sample")(_named_leads(200, 4), _generator()))
    assert set(one) == set(two) == {1, 2, 3, 4}


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_every_ordered_pair_is_equally_likely(per: Literal["batch", "sample"]) -> None:
    leads, draws = 4, 2400
    generator = _generator(1)
    if per == "sample":
        a, b = _leads_of(_quiet("ab", per)(_named_leads(draws, leads, time=2), generator))
    else:
        drawn = [draw_leads("ab", leads, 1, per, generator) for _ in range(draws)]
        a, b = ([int(d[letter]) + 1 for d in drawn] for letter in "ab")
    seen = Counter(zip(a, b, strict=True))
    assert set(seen) == set(itertools.permutations(range(1, leads + 1), 2))
    assert stats.chisquare(list(seen.values())).pvalue > UNLIKELY


def test_star_shows_all_leads() -> None:
    everything, one = _quiet("*a")(_named_leads(3, 5), _generator())
    assert everything.shape == (3, 5, 16)
    assert torch.equal(everything, _named_leads(3, 5))
    assert one.shape == (3, 1, 16)


@pytest.mark.parametrize("pattern", ["a", "aa", "aba", "abc"])
def test_shapes(pattern: str) -> None:
    views = MultiLeadViews(pattern)(torch.randn(7, 3, 40))
    assert [tuple(v.shape) for v in views] == [(7, 1, 40)] * len(pattern)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_is_widened(given: torch.dtype, made: torch.dtype) -> None:
    signals = torch.ones(2, 2, 20, dtype=given)
    assert all(view.dtype == made for view in MultiLeadViews("ab*")(signals))


def test_views_of_one_lead_are_augmented_each_in_its_own_way() -> None:
    signals = torch.arange(100.0).expand(4, 1, 100)
    one, two = MultiLeadViews("aa", time_out=(0, 0))(signals, _generator())
    assert (one[:, 0, 0] != two[:, 0, 0]).all()


def test_crop_and_silence_are_passed_on() -> None:
    signals = torch.arange(1.0, 101).expand(50, 1, 100).clone()
    (view,) = MultiLeadViews("a", crop=(0.5, 0.6), time_out=(0.25, 0.25))(signals, _generator())
    assert ((view == 0).sum(dim=2) == 25).all()
    steps = view.diff(dim=2)
    inside = steps[(view[:, :, 1:] != 0) & (view[:, :, :-1] != 0)]
    assert inside.min() > 0.5 - 1e-3
    assert inside.max() < 0.6 + 1e-3


class TestGain:
    GAIN = (0.25, 4.0)

    def _factors(self, pattern: str, batch: int) -> np.ndarray:
        """Factors of the views of signals that are one, shape (views, batch, leads)."""
        views = MultiLeadViews(pattern, (1.0, 1.0), (0.0, 0.0), gain=self.GAIN)
        made = views(torch.ones(batch, 3, 4), _generator())
        assert all(torch.equal(v, v[:, :, :1].expand_as(v)) for v in made)
        return np.array([v[:, :, 0].numpy() for v in made])

    def test_every_view_of_every_record_has_a_factor_of_its_own(self) -> None:
        factors = self._factors("aba", 1500)[:, :, 0]
        assert self.GAIN[0] * 0.999 < factors.min() < 0.3
        assert 3.5 < factors.max() < self.GAIN[1] * 1.001
        assert len(np.unique(factors)) > 0.99 * factors.size
        low, high = np.log(self.GAIN)
        for view in factors:
            uniform = stats.uniform(loc=low, scale=high - low)
            assert stats.kstest(np.log(view), uniform.cdf).pvalue > UNLIKELY
            assert stats.spearmanr(view[:-1], view[1:]).pvalue > UNLIKELY
        for one, other in itertools.combinations(factors, 2):
            assert stats.spearmanr(one, other).pvalue > UNLIKELY

    def test_leads_of_a_view_share_it(self) -> None:
        views = MultiLeadViews("*", (1.0, 1.0), (0.0, 0.0), gain=self.GAIN)
        (everything,) = views(torch.ones(20, 3, 4), _generator())
        assert torch.equal(everything, everything[:, :1, :1].expand_as(everything))
        assert len(torch.unique(everything)) == 20

    def test_knows_nothing_of_crops_and_silences(self) -> None:
        draws = MultiLeadViews("a", gain=self.GAIN).draw(1500, _generator())[:, :, 0].numpy()
        assert draws.shape == (5, 1500)
        for other in draws[:4]:
            assert stats.spearmanr(draws[4], other).pvalue > UNLIKELY

    def test_comes_on_top_of_the_rest(self) -> None:
        signals = torch.randn(6, 2, 30, generator=_generator(1))
        loud, usual = MultiLeadViews("aba", gain=self.GAIN), MultiLeadViews("aba")
        draws = loud.draw(6, _generator())
        for view, (one, other) in enumerate(
            zip(loud.augment(signals, draws), usual.augment(signals, draws[:4]), strict=True)
        ):
            low, high = np.log(self.GAIN)
            factor = torch.exp(low + (high - low) * draws[4, :, view].double())
            torch.testing.assert_close(one.double(), other * factor[:, None, None])

    @pytest.mark.parametrize("gain", [{}, {"gain": (1.0, 1.0)}, {"gain": [1, 1]}])
    def test_off_draws_what_was_drawn_before_there_was_one(self, gain: dict[str, Any]) -> None:
        views, generator, plain = MultiLeadViews("aba", **gain), _generator(7), _generator(7)
        draws = views.draw(5, generator)
        assert torch.equal(draws, torch.rand(4, 5, 3, generator=plain))
        # Nor is anything else taken from the stream.
        assert torch.equal(generator.get_state(), plain.get_state())

    def test_off_gives_the_views_of_before_there_was_one(self) -> None:
        signals = torch.randn(5, 2, 30, generator=_generator(1))
        draws = torch.rand(4, 5, 3, generator=_generator())
        made = MultiLeadViews("aba").augment(signals, draws)
        for view, channel in enumerate((0, 1, 0)):
            shown = signals[:, channel : channel + 1]
            share, place, silent, where = draws[:, :, view : view + 1]
            cropped = resized_crop(shown, (0.5, 1.0), share, place)
            assert torch.equal(made[view], silence(cropped, (0.0, 0.5), silent, where))

    @pytest.mark.parametrize(
        "bad",
        [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (1.0, float("inf")), (float("nan"), 1.0)],
    )
    def test_bad_range(self, bad: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match="gain must be a range of positive, finite factors"):
            MultiLeadViews("aba", gain=bad)


def test_input_is_left_as_it_was() -> None:
    signals = torch.randn(5, 3, 30)
    before = signals.clone()
    MultiLeadViews("ab*")(signals)
    assert torch.equal(signals, before)


@pytest.mark.parametrize("per", ["batch", "sample"])
def test_generator_decides(per: Literal["batch", "sample"]) -> None:
    signals = torch.randn(6, 4, 50)
    views = MultiLeadViews("aba", per=per)
    torch.manual_seed(0)
    first = views(signals, _generator(3))
    torch.manual_seed(1)
    again = views(signals, _generator(3))
    other = views(signals, _generator(4))
    assert all(torch.equal(x, y) for x, y in zip(first, again, strict=True))
    assert not any(torch.equal(x, y) for x, y in zip(first, other, strict=True))


def test_too_few_leads() -> None:
    with pytest.raises(ValueError, match="needs 2 different leads, the signals have 1"):
        MultiLeadViews("aba")(torch.zeros(4, 1, 20))


@pytest.mark.parametrize("pattern", ["", "A", "a  b", "a1", "aé", "a-"])
def test_bad_pattern(pattern: str) -> None:
    with pytest.raises(ValueError, match="view pattern"):
        MultiLeadViews(pattern)


@pytest.mark.parametrize(
    "settings",
    [
        {"crop": (0.0, 1.0)},
        {"crop": (0.9, 0.5)},
        {"crop": (0.5, 1.5)},
        {"time_out": (-0.1, 0.5)},
        {"time_out": (0.5, 0.4)},
        {"time_out": (0.0, 2.0)},
    ],
)
def test_bad_range(settings: dict[str, tuple[float, float]]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=f"{name} must be a range"):
        MultiLeadViews("aba", **settings)


def test_bad_per() -> None:
    with pytest.raises(ValueError, match="'batch' or 'sample'"):
        MultiLeadViews("aba", per="record")  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(20,), (3, 20), (2, 3, 4, 20)])
def test_wrong_dimensions(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be") as error:
        MultiLeadViews("a")(torch.zeros(shape))
    assert str(shape) in str(error.value)


def test_take_leads_takes_one_lead_a_record() -> None:
    signals = torch.randn(4, 3, 9)
    leads = torch.tensor([2, 0, 1, 2])
    taken = take_leads(signals, leads)
    assert taken.shape == (4, 1, 9)
    for record, lead in enumerate(leads):
        assert torch.equal(taken[record, 0], signals[record, lead])
