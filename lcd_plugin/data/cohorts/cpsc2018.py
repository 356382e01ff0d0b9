"""China Physiological Signal Challenge 2018, its 6,877 public records as the challenge coded them.

A record has one to three of nine types. The LCD paper uses those that have exactly one
(`diagnosis-single`). See `lcd_plugin.data.cohorts.challenge` for patients and splits.
"""

from lcd_plugin.data.cohorts.challenge import CodeTask, SourceCohort
from lcd_plugin.data.cohorts.snomed import CPSC2018 as NINE_TYPES


class CPSC2018(SourceCohort):
    """CPSC 2018 by its own nine types."""

    source = "cpsc_2018"
    code_tasks = (
        CodeTask("diagnosis", "multi-label", NINE_TYPES),
        CodeTask("diagnosis-single", "single-label", NINE_TYPES),
    )
