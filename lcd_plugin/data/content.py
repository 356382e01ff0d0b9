"""What a recording is known by, whatever file, format or lead order it comes in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from lcd_plugin.data.leads import LIMB_LEADS, canonical_lead

if TYPE_CHECKING:
    from lcd_plugin.data.cohort import Recording

# The other standard leads follow from these.
INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


def content_hash(recording: Recording) -> str:
    """Hash of a recording's samples in whole microvolts, at its own rate.

    Order and spelling of leads, file format, byte order and gain do not matter, nor which leads
    there are beside I, II and V1-V6, so the same recording in two cohorts has one hash. Published
    at two rates, or once without I, it has two: a lead that is computed from rounded others
    differs from the recorder's own in the last digit.
    """
    rows: dict[str, int] = {}
    for row, name in enumerate(recording.leads):
        rows.setdefault(canonical_lead(name), row)
    names = list(INDEPENDENT_LEADS)
    if not rows.keys() >= set(names):
        # Two recordings of few leads are told apart by all that does not follow from I and II.
        both = {"I", "II"} <= rows.keys()
        names = sorted(
            lead for lead in rows if not (both and lead in LIMB_LEADS and lead not in names)
        )
    signal = recording.signal[[rows[lead] for lead in names]]
    missing = np.isnan(signal)
    if missing.any():
        signal = np.where(missing, -1e6, signal)
    microvolts = np.rint(np.clip(signal, -1e6, 1e6) * 1e3).astype("<i4")
    head = f"{','.join(names)} {recording.rate:g} {microvolts.shape[1]}"
    return hashlib.blake2b(head.encode() + microvolts.tobytes(), digest_size=16).hexdigest()
