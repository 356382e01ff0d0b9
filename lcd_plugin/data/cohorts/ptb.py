"""PTB Diagnostic ECG Database (Bousseljot et al. 1995) in the challenge's layout, 516 records.

The task is `infarction`: myocardial infarction (MI, 368 records in the challenge's own count)
against healthy controls (NORM, 80 records), a record being of one of them. That is what PTB was
collected for and what most work on it compares. All its other diagnoses have at most 25 records,
so the test part would hold four of one at best: too few for any figure about it. Of the scored
classes it has five, two of them in a single record, so there is no task `scored`.

PTB's 549 records are of 290 people, but the challenge's files do not say whose they are. A
person's records can therefore be both in training and in the test, which flatters results.
"""

from lcd_plugin.data.cohorts.challenge import CodeTask, SourceCohort
from lcd_plugin.data.cohorts.snomed import PTB_INFARCTION


class PTB(SourceCohort):
    """PTB by infarction or health."""

    source = "ptb"
    code_tasks = (CodeTask("infarction", "single-label", PTB_INFARCTION),)
