"""Chapman-Shaoxing (Zheng et al., Scientific Data 7 (2020) 48), one record a patient.

The task `rhythm` has the four groups of the paper: fibrillation and flutter (AFIB),
supraventricular tachycardias with sinus tachycardia (GSVT), sinus bradycardia (SB) and sinus
rhythm (SR). A record with none or several of them is unlabelled.

The challenge has 10,247 of the paper's 10,646 records. The paper's counts of all other rhythms
add up to those, so it is its 399 of sinus irregularity that are not there. Of the release
`ecg-arrhythmia`, where Ningbo's records are among them, JS00001 to JS10646 are taken.
"""

from lcd_plugin.data.cohorts.challenge import SCORED_TASK, CodeTask, SourceCohort
from lcd_plugin.data.cohorts.snomed import CHAPMAN_RHYTHM


class Chapman(SourceCohort):
    """Chapman-Shaoxing by four merged rhythms, and by the scored classes."""

    source = "chapman_shaoxing"
    code_tasks = (CodeTask("rhythm", "single-label", CHAPMAN_RHYTHM), SCORED_TASK)
