"""Lead names as the field writes them, and leads that follow from others.

A limb lead is a difference of two electrodes of three, so any two limb leads give the other four
(Einthoven: II = I + III; Goldberger: aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import combinations

import numpy as np

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

# Each limb lead as a combination of I and II.
LIMB_LEADS = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}

# Leads of fewer electrodes, as in the PhysioNet Challenge 2021; the 8 are the LCD paper's.
LEAD_SUBSETS = {
    "12": STANDARD_LEADS,
    "8": ("II", "III", "V1", "V2", "V3", "V4", "V5", "V6"),
    "6-limb": tuple(LIMB_LEADS),
    "4": ("I", "II", "III", "V2"),
    "3": ("I", "II", "V2"),
    "2": ("I", "II"),
}

_BY_LOWER_CASE = {lead.lower(): lead for lead in STANDARD_LEADS} | {
    # As in Brazil, France and others: D for dérivation.
    **{f"d{roman}": roman.upper() for roman in ("i", "ii", "iii")},
    **{f"d{i}": "I" * i for i in (1, 2, 3)},
    # Modified limb leads, from electrodes on the trunk.
    **{f"ml{roman}": roman.upper() for roman in ("i", "ii", "iii")},
    # German and French spellings with C for the chest leads.
    **{f"c{i}": f"V{i}" for i in range(1, 7)},
    # The orthogonal leads of Frank.
    **{name: f"V{axis}" for axis in "XYZ" for name in (f"v{axis.lower()}", axis.lower())},
}
# A minus without a word before it is a sign: -aVR is aVR upside down.
_DECORATION = re.compile(
    r"^(?:(?:lead|ecg|ekg|channel)[\s_:.-]*)?(.*?)[\s]*(?:\[.*\]|\(.*\))?$", re.I
)


@lru_cache(maxsize=4096)
def canonical_lead(name: str) -> str:
    """`avr`, `AVR` and `Lead aVR` to `aVR`, `ii`, `DII` and `MLII` to `II`.

    Names that are not standard stay as they are.
    """
    plain = name.strip()
    match = _DECORATION.match(plain)
    bare = match[1] if match else plain
    return _BY_LOWER_CASE.get(bare.lower(), _BY_LOWER_CASE.get(plain.lower(), plain))


def derive_leads(wanted: list[str], there: list[str]) -> dict[str, dict[str, float]] | None:
    """How to compute leads that are missing from those that are there.

    Args:
        wanted: canonical names of leads that are missing.
        there: canonical names of the leads of a recording.

    Returns:
        For each wanted lead its weights on leads that are there; None if one does not follow.
    """
    if any(lead not in LIMB_LEADS for lead in wanted):
        return None
    pairs = combinations([lead for lead in LIMB_LEADS if lead in there], 2)
    pair = next(pairs, None)
    if pair is None:
        return None
    # No two limb leads are proportional, so that any two of them determine I and II.
    basis = np.array([LIMB_LEADS[lead] for lead in pair])
    weights = {lead: np.linalg.solve(basis.T, np.array(LIMB_LEADS[lead])) for lead in wanted}
    return {lead: dict(zip(pair, map(float, w), strict=True)) for lead, w in weights.items()}
