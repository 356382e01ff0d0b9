"""Lead names as the field writes them, whatever a file calls them."""

from __future__ import annotations

STANDARD_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

_BY_LOWER_CASE = {lead.lower(): lead for lead in STANDARD_LEADS}


def canonical_lead(name: str) -> str:
    """`avr` and `AVR` to `aVR`, `ii` to `II`; names that are not standard stay as they are."""
    return _BY_LOWER_CASE.get(name.strip().lower(), name.strip())
