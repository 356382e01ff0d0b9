"""Georgia 12-lead ECG Challenge Database (Perez Alday et al. 2020), 10,344 records.

See `lcd_plugin.data.cohorts.challenge` for labels, patients and splits.
"""

from lcd_plugin.data.cohorts.challenge import SourceCohort


class Georgia(SourceCohort):
    """Georgia by the scored classes of the challenge."""

    source = "georgia"
