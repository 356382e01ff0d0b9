"""Names of leads, and limb leads that follow from others."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from lcd_plugin.data.cohort import Recording
from lcd_plugin.data.leads import LIMB_LEADS, STANDARD_LEADS, canonical_lead, derive_leads
from lcd_plugin.data.settings import DataSettings, QualitySettings
from lcd_plugin.data.signals import shape_recording
from lcd_plugin.errors import RecordError

RNG = np.random.default_rng(3)
LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")


def limb_leads(one: np.ndarray, two: np.ndarray) -> dict[str, np.ndarray]:
    """Einthoven and Goldberger, from the potentials of three electrodes.

    With R at 0, I is L - R and II is F - R; an augmented lead is its electrode against the mean
    of the other two.
    """
    right, left, foot = np.zeros_like(one), one, two
    return {
        "I": left - right,
        "II": foot - right,
        "III": foot - left,
        "aVR": right - (left + foot) / 2,
        "aVL": left - (right + foot) / 2,
        "aVF": foot - (right + left) / 2,
    }


SIGNALS = limb_leads(*RNG.normal(0, 0.5, (2, 1000))) | {
    f"V{i}": RNG.normal(0, 0.5, 1000) for i in range(1, 7)
}


def recording(*leads: str) -> Recording:
    return Recording(np.stack([SIGNALS[canonical_lead(lead)] for lead in leads]), 100, leads)


# Names


@pytest.mark.parametrize("lead", STANDARD_LEADS)
@pytest.mark.parametrize(
    "written",
    ["{}", " {} ", "Lead {}", "LEAD_{}", "lead-{}", "ECG {}", "ECG: {}", "ekg.{}", "{} [mV]"],
)
@pytest.mark.parametrize("case", [str, str.lower, str.upper])
def test_every_standard_lead_is_known_however_it_is_dressed(lead: str, written: str, case):
    assert canonical_lead(written.format(case(lead))) == lead


@pytest.mark.parametrize(
    ("written", "lead"),
    [
        ("AVR", "aVR"),
        ("avf", "aVF"),
        ("DI", "I"),
        ("DII", "II"),
        ("diii", "III"),
        ("D1", "I"),
        ("D2", "II"),
        ("d3", "III"),
        ("MLI", "I"),
        ("MLII", "II"),
        ("mliii", "III"),
        ("C1", "V1"),
        ("c6", "V6"),
        ("vx", "VX"),
        ("Vy", "VY"),
        ("Z", "VZ"),
        ("ECGI", "I"),
        ("EKG V6", "V6"),
        ("channel II", "II"),
        ("V1 (uV)", "V1"),
        ("Lead II ", "II"),
    ],
)
def test_spellings_of_the_field(written: str, lead: str):
    assert canonical_lead(written) == lead


OTHERS = (
    "V V7 V3R V10 C7 MCL1 IV IIII AV RESP ABP lead ECG aVRx xV1 II-III V1-V2 ML2 -aVR -I 1 ECG1"
)


@pytest.mark.parametrize("name", ["", *OTHERS.split()])
def test_names_of_other_signals_stay(name: str):
    """-aVR is aVR upside down, as Cabrera has it."""
    assert canonical_lead(name) == name


def test_a_canonical_name_is_its_own():
    for lead in (*STANDARD_LEADS, "VX", "VY", "VZ"):
        assert canonical_lead(lead) == lead
        assert canonical_lead(canonical_lead(f"Lead {lead.lower()}")) == lead


# Leads that follow


@pytest.mark.parametrize("pair", list(combinations(LIMB, 2)))
def test_any_two_limb_leads_give_the_other_four(pair: tuple[str, str]):
    wanted = [lead for lead in LIMB if lead not in pair]
    weights = derive_leads(wanted, ["V3", *pair])
    assert weights is not None
    assert list(weights) == wanted
    for lead in wanted:
        assert set(weights[lead]) <= set(pair)
        derived = sum(weight * SIGNALS[source] for source, weight in weights[lead].items())
        np.testing.assert_allclose(derived, SIGNALS[lead], atol=1e-12)


def test_the_weights_are_those_of_the_textbook():
    weights = derive_leads(["III", "aVR", "aVL", "aVF"], ["I", "II"])
    assert weights is not None
    expected = {"III": (-1, 1), "aVR": (-0.5, -0.5), "aVL": (1, -0.5), "aVF": (-0.5, 1)}
    for lead, pair in expected.items():
        assert (weights[lead]["I"], weights[lead]["II"]) == pytest.approx(pair)
        assert LIMB_LEADS[lead] == pair


@pytest.mark.parametrize("lead", ["V1", "V6", "VX", "MCL1"])
def test_chest_leads_follow_from_nothing(lead: str):
    there = [name for name in STANDARD_LEADS if name != lead]
    assert derive_leads([lead], there) is None
    assert derive_leads(["III", lead], there) is None


@pytest.mark.parametrize("there", [[], ["II"], ["II", "V1", "V2"]])
def test_one_limb_lead_is_too_little(there: list[str]):
    assert derive_leads(["I"], there) is None


# Recordings


@pytest.mark.parametrize("pair", list(combinations(LIMB, 2)))
def test_a_recording_s_missing_limb_leads_are_computed(pair: tuple[str, str]):
    chest = ("v6", "V1", "c2", "V3", "V4", "Lead V5")
    shaped = shape_recording(recording(*chest, *pair), DataSettings(leads=STANDARD_LEADS))
    assert shaped.findings == ()
    for row, lead in zip(shaped.windows[0].astype(float), STANDARD_LEADS, strict=True):
        centred = SIGNALS[lead] - np.median(SIGNALS[lead])
        np.testing.assert_allclose(row * 0.25, centred, rtol=6e-4, atol=1e-6, err_msg=lead)


def test_leads_that_are_there_are_not_computed():
    """However wrong they are: that is the quality gate's to say."""
    source = recording("I", "II", "III")
    source.signal[2] *= 3
    shaped = shape_recording(source, DataSettings(leads=("III",)), physical=False)
    centred = 3 * (SIGNALS["III"] - np.median(SIGNALS["III"]))
    np.testing.assert_allclose(shaped.windows[0, 0] * np.float64(0.25), centred, rtol=6e-4)


def test_masking_makes_missing_leads_zero_and_lists_them():
    settings = DataSettings(leads=STANDARD_LEADS, quality=QualitySettings(missing="mask"))
    shaped = shape_recording(recording("II", "I", "V2", "V4"), settings)
    absent = ("V1", "V3", "V5", "V6")
    assert [(f.kind, f.lead, done) for f, done in shaped.findings] == [
        ("missing", lead, "masked") for lead in absent
    ]
    assert shaped.findings[0][0].reason == "lead V1 is not there"
    for row, lead in zip(shaped.windows[0], STANDARD_LEADS, strict=True):
        assert (row == 0).all() == (lead in absent), lead
    np.testing.assert_allclose(
        shaped.windows[0, 2].astype(float) * 0.25,
        SIGNALS["III"] - np.median(SIGNALS["III"]),
        rtol=6e-4,
        atol=1e-6,
    )


def test_dropping_names_the_lead_that_is_missing():
    five = recording("I", "II", "V1", "V2", "V3", "V4", "V5")
    with pytest.raises(RecordError, match=r"^too few leads: V6 missing$") as caught:
        shape_recording(five, DataSettings())
    assert (caught.value.kind, caught.value.lead) == ("missing", "V6")
    with pytest.raises(RecordError, match=r"^too few leads: V5, V6 missing$") as caught:
        shape_recording(recording("I", "II", "V1", "V2", "V3", "V4"), DataSettings())
    assert (caught.value.kind, caught.value.lead) == ("missing", "")


def test_one_limb_lead_alone_leaves_the_other_out():
    settings = DataSettings(leads=("II", "III"))
    with pytest.raises(RecordError, match=r"^too few leads: III missing$"):
        shape_recording(recording("II", "V1"), settings)


def test_a_recording_with_none_of_the_leads_is_left_out_even_if_leads_are_masked():
    settings = DataSettings(leads=("V5", "V6"), quality=QualitySettings(missing="mask"))
    with pytest.raises(RecordError, match="too few leads: V5, V6 missing"):
        shape_recording(recording("I", "II", "V1"), settings)


def test_of_two_signals_of_one_name_the_first_counts():
    source = Recording(np.stack([SIGNALS["V1"], SIGNALS["V2"]]), 100, ("V1", "C1"))
    shaped = shape_recording(source, DataSettings(leads=("V1",)))
    centred = SIGNALS["V1"] - np.median(SIGNALS["V1"])
    np.testing.assert_allclose(shaped.windows[0, 0] * np.float64(0.25), centred, rtol=6e-4)
