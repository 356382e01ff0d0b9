"""CPSC-Extra: 3,453 records that were left over from CPSC 2018, with many more diagnoses.

Many of them are of old infarctions, ischaemia and unspecific ST-T changes, which the challenge
does not score: a record with nothing else is unlabelled here.
See `lcd_plugin.data.cohorts.challenge` for patients and splits.
"""

from lcd_plugin.data.cohorts.challenge import SourceCohort


class CPSC2018Extra(SourceCohort):
    """CPSC-Extra by the scored classes of the challenge."""

    source = "cpsc_2018_extra"
