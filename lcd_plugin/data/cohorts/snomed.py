"""SNOMED CT codes of the PhysioNet Challenge 2021, by class.

The codes and abbreviations are those of the challenge's own tables (`dx_mapping_scored.csv` and
`dx_mapping_unscored.csv`, github.com/physionetchallenges/evaluation-2021).
"""

from __future__ import annotations

from collections.abc import Mapping

# The 30 scored codes. The challenge counts four pairs as one diagnosis each, which leaves 26
# classes; a pair has the usual one of its two names (LBBB, RBBB, PAC, PVC).
SCORED: Mapping[str, tuple[str, ...]] = {
    "AF": ("164889003",),  # atrial fibrillation
    "AFL": ("164890007",),  # atrial flutter
    "BBB": ("6374002",),  # bundle branch block, of either side
    "Brady": ("426627000",),  # bradycardia
    "IAVB": ("270492004",),  # first-degree AV block
    "IRBBB": ("713426002",),  # incomplete right bundle branch block
    "LAD": ("39732003",),  # left axis deviation
    "LAnFB": ("445118002",),  # left anterior fascicular block
    "LBBB": ("164909002", "733534002"),  # left bundle branch block; complete
    "LPR": ("164947007",),  # prolonged PR interval
    "LQRSV": ("251146004",),  # low QRS voltages
    "LQT": ("111975006",),  # prolonged QT interval
    "NSIVCB": ("698252002",),  # nonspecific intraventricular conduction disorder
    "NSR": ("426783006",),  # sinus rhythm
    "PAC": ("284470004", "63593006"),  # premature atrial; supraventricular premature beats
    "PR": ("10370003",),  # pacing rhythm
    "PRWP": ("365413008",),  # poor R wave progression
    "PVC": ("427172004", "17338001"),  # premature ventricular contractions; premature beats
    "QAb": ("164917005",),  # abnormal Q wave
    "RAD": ("47665007",),  # right axis deviation
    "RBBB": ("59118001", "713427006"),  # right bundle branch block; complete
    "SA": ("427393009",),  # sinus arrhythmia
    "SB": ("426177001",),  # sinus bradycardia
    "STach": ("427084000",),  # sinus tachycardia
    "TAb": ("164934002",),  # abnormal T wave
    "TInv": ("59931005",),  # inverted T wave
}

# The nine types of CPSC 2018 as the challenge coded its records. Its ventricular beats are
# "ventricular ectopics", which are not among the scored codes, nor are its ST changes.
CPSC2018: Mapping[str, tuple[str, ...]] = {
    "SNR": ("426783006",),
    "AF": ("164889003",),
    "IAVB": ("270492004",),
    "LBBB": ("164909002",),
    "RBBB": ("59118001",),
    "PAC": ("284470004",),
    "PVC": ("164884008",),
    "STD": ("429622005",),
    "STE": ("164931005",),
}

# The eleven rhythms of Chapman-Shaoxing in the four groups of Zheng et al. (2020). Not here:
# 195101003, a wandering pacemaker, which is noted beside a rhythm; the release ecg-arrhythmia has
# seven records of SAAWR under it too, which are unlabelled there rather than guessed.
CHAPMAN_RHYTHM: Mapping[str, tuple[str, ...]] = {
    "AFIB": (
        "164889003",  # atrial fibrillation
        "164890007",  # atrial flutter
    ),
    "GSVT": (
        "426761007",  # supraventricular tachycardia (SVT)
        "713422000",  # atrial tachycardia (AT)
        "17366009",  # sinus atrium to atrial wandering rhythm (SAAWR)
        "427084000",  # sinus tachycardia (ST)
        "251166008",  # AV node reentrant tachycardia (AVNRT)
        "233896004",  # the same in the later release ecg-arrhythmia
        "233897008",  # AV reentrant tachycardia (AVRT)
    ),
    "SB": ("426177001",),  # sinus bradycardia
    "SR": (
        "426783006",  # sinus rhythm
        "427393009",  # sinus irregularity
    ),
}

PTB_INFARCTION: Mapping[str, tuple[str, ...]] = {
    "MI": ("164865005",),  # myocardial infarction
    "NORM": ("426783006",),  # sinus rhythm, which healthy controls are coded as
}
