"""Ningbo First Hospital (Zheng et al., Scientific Reports 10 (2020) 2898), 34,905 records.

The LCD paper pretrains on it, for which no labels are needed: records without a scored class stay
in the table. Of the release `ecg-arrhythmia`, where it is mixed with Chapman-Shaoxing, the records
from JS10647 on are taken. See `lcd_plugin.data.cohorts.challenge` for patients and splits.
"""

from lcd_plugin.data.cohorts.challenge import SourceCohort


class Ningbo(SourceCohort):
    """Ningbo by the scored classes of the challenge."""

    source = "ningbo"
