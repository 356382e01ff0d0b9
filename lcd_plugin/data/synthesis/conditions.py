"""The diagnoses: how each changes the rhythm and the dipole, and who has which.

Criteria follow the AHA/ACCF/HRS recommendations for the standardization and interpretation of
the electrocardiogram (Surawicz et al. 2009 for conduction, Hancock et al. 2009 for
hypertrophy, Wagner et al. 2009 for ischaemia; all J. Am. Coll. Cardiol. 53).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from lcd_plugin.data.synthesis.dipole import VENTRICLES, Wave

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lcd_plugin.data.synthesis.rhythm import Rhythm

NORMAL = "NORM"


@dataclass(frozen=True)
class Axis:
    """Conditions of which a record has at most one.

    Attributes:
        scope: `patient` if it stays with the patient, `record` if it comes and goes.
        shares: condition to its probability.
    """

    scope: Literal["patient", "record"]
    shares: Mapping[str, float]


# More common than in a clinic, so that a hundredth of the labels still holds every class.
AXES: dict[str, Axis] = {
    "rhythm": Axis("record", {"AFIB": 0.15, "1AVB": 0.13}),
    "ectopy": Axis("record", {"PVC": 0.14}),
    "conduction": Axis("patient", {"LBBB": 0.13, "RBBB": 0.15}),
    "muscle": Axis("patient", {"LVH": 0.17, "AMI": 0.15, "IMI": 0.16}),
}
DESCRIPTIONS: dict[str, str] = {
    NORMAL: "none of the others",
    "AFIB": "atrial fibrillation",
    "1AVB": "first-degree atrioventricular block",
    "PVC": "premature ventricular complexes",
    "LBBB": "complete left bundle branch block",
    "RBBB": "complete right bundle branch block",
    "LVH": "left ventricular hypertrophy",
    "AMI": "anterior myocardial infarction with ST elevation",
    "IMI": "inferior myocardial infarction with ST elevation",
}
CONDITIONS: tuple[str, ...] = tuple(DESCRIPTIONS)

Waves = dict[str, Wave]


def check(conditions: Collection[str]) -> frozenset[str]:
    """The conditions as a set, if one heart can have them together.

    Raises:
        ValueError: none, an unknown one, `NORM` beside another, or two that exclude each other.
    """
    chosen = frozenset(conditions)
    if not chosen or not chosen <= set(CONDITIONS):
        raise ValueError(f"conditions are one or more of {CONDITIONS}, not {sorted(chosen)}")
    if NORMAL in chosen and len(chosen) > 1:
        raise ValueError(f"{NORMAL} stands alone, not in {sorted(chosen)}")
    for axis in AXES.values():
        if len(chosen & set(axis.shares)) > 1:
            raise ValueError(f"one record has at most one of {sorted(chosen & set(axis.shares))}")
    if "LBBB" in chosen and chosen & set(AXES["muscle"].shares):
        raise ValueError(f"LBBB hides hypertrophy and infarction, so not {sorted(chosen)}")
    return chosen


def draw_conditions(
    patients: NDArray[np.int64], scopes: Mapping[str, np.random.Generator]
) -> NDArray[np.bool_]:
    """Draw who has what.

    Args:
        patients: patient number of each record, ascending from 0, shape (records,).
        scopes: generators for the conditions of patients and for those of records; the first
            n records come out the same however many follow.

    Returns:
        Shape (records, conditions), columns as `CONDITIONS`.
    """
    has = np.zeros((patients.size, len(CONDITIONS)), dtype=bool)
    counts = {"patient": int(patients[-1]) + 1, "record": patients.size}
    chance = {scope: rng.random((counts[scope], len(AXES))) for scope, rng in scopes.items()}
    for column, axis in enumerate(AXES.values()):
        drawn = chance[axis.scope][:, column]
        drawn = drawn[patients] if axis.scope == "patient" else drawn
        edges = np.cumsum([0.0, *axis.shares.values()])
        for name, low, high in zip(axis.shares, edges[:-1], edges[1:], strict=True):
            has[:, CONDITIONS.index(name)] = (drawn >= low) & (drawn < high)
    muscle = [CONDITIONS.index(name) for name in AXES["muscle"].shares]
    has[:, muscle] &= ~has[:, [CONDITIONS.index("LBBB")]]
    has[:, CONDITIONS.index(NORMAL)] = ~has.any(axis=1)
    return has


def change_rhythm(rhythm: Rhythm, conditions: Collection[str], rng: np.random.Generator) -> Rhythm:
    """The record's rhythm with its conditions of rhythm and ectopy."""
    if "AFIB" in conditions:
        rate = float(np.clip(rng.normal(86.0, 20.0), 52.0, 150.0))
        rhythm = replace(rhythm, fibrillating=True, rate=rate)
    if "1AVB" in conditions:
        # PR above 200 ms by definition; beyond 320 ms P would run into a fast rate's T.
        pr = 0.206 + min(float(rng.gamma(2.0, 0.022)), 0.115)
        rhythm = replace(rhythm, conduction=pr, rate=min(rhythm.rate, 100.0))
    return replace(rhythm, ectopic="PVC" in conditions)


def change_waves(waves: Waves, conditions: Collection[str], rng: np.random.Generator) -> Waves:
    """The patient's beat with harmless variants and the conditions of conduction and muscle."""
    waves = _variants(waves, rng)
    for name, effect in EFFECTS.items():
        if name in conditions:
            waves = effect(waves, rng)
    return waves


def _variants(waves: Waves, rng: np.random.Generator) -> Waves:
    """What people have without any of the diagnoses, and what makes those hard to tell.

    Early repolarisation and incomplete right bundle branch block look like little brothers
    of infarction and block, as do a slow growth of R over the chest and unspecific ST and T.
    Exponential sizes: most have next to nothing, a few a lot.
    """
    early, incomplete, slow_growth = np.minimum(
        rng.exponential((0.30, 0.18, 0.25)), (1.2, 0.6, 1.2)
    )
    st, t = rng.normal(0.0, 0.016, 3), rng.normal(0.0, 0.055, 3)
    upright = rng.uniform(0.45, 1.1)  # flat to full T waves
    return waves | {
        "septal": waves["septal"].moved(y=rng.normal(0.0, 0.05), z=0.12 * slow_growth),
        "apical": waves["apical"].moved(y=rng.normal(0.0, 0.06), z=0.14 * slow_growth),
        "late": Wave(0.044, 0.0125, (-0.42 * incomplete, 0.04 * incomplete, -0.46 * incomplete)),
        "st": waves["st"].moved(*st).moved(x=0.04 * early, y=0.025 * early, z=-0.05 * early),
        "t-rise": waves["t-rise"]
        .scaled(upright)
        .moved(*(0.6 * t))
        .moved(x=0.05 * early, y=0.03 * early, z=-0.05 * early),
        "t-peak": waves["t-peak"].scaled(upright).moved(*t),
    }


def _hypertrophy(waves: Waves, rng: np.random.Generator) -> Waves:
    """Larger voltage to the left and back; in most, strain: ST and T turned away from it."""
    size, strain = rng.uniform(1.35, 1.9), max(0.0, rng.uniform(-0.4, 1.0))
    left = waves["lateral"].scaled(size, 1.08).moved(x=0.12, z=0.12)
    return waves | {
        "lateral": left,
        "apical": waves["apical"].scaled(0.5 + 0.5 * size),
        "basal": waves["basal"].scaled(0.5 + 0.5 * size),
        "st": waves["st"].moved(x=-0.10 * strain, y=-0.03 * strain, z=-0.09 * strain),
        "t-rise": waves["t-rise"].moved(x=-0.24 * strain, y=-0.09 * strain, z=-0.08 * strain),
        "t-peak": waves["t-peak"].moved(x=-0.40 * strain, y=-0.15 * strain, z=-0.10 * strain),
    }


def _anterior_infarction(waves: Waves, rng: np.random.Generator) -> Waves:
    """ST points to the front wall, and the front wall's own R shrinks to Q or little r."""
    injury, necrosis = rng.uniform(0.3, 1.1), rng.uniform(0.0, 0.9)
    return waves | {
        "septal": waves["septal"].moved(x=0.05 * necrosis, z=0.24 * necrosis),
        "apical": waves["apical"].scaled(1 - 0.4 * necrosis).moved(z=0.26 * necrosis),
        "st": waves["st"]
        .scaled(1.0, 1.15)
        .moved(x=0.08 * injury, y=-0.04 * injury, z=-0.15 * injury),
        "t-rise": waves["t-rise"].moved(x=0.06 * injury, y=-0.03 * injury, z=-0.15 * injury),
        "t-peak": waves["t-peak"].moved(z=-0.06 * injury),
    }


def _inferior_infarction(waves: Waves, rng: np.random.Generator) -> Waves:
    """ST points to the feet and a little back, so that I, aVL and V1-V3 are depressed."""
    injury, necrosis = rng.uniform(0.3, 1.1), rng.uniform(0.0, 0.9)
    return waves | {
        "septal": waves["septal"].moved(y=-0.26 * necrosis),
        "apical": waves["apical"].moved(y=-0.20 * necrosis),
        "st": waves["st"]
        .scaled(1.0, 1.15)
        .moved(x=-0.04 * injury, y=0.19 * injury, z=0.05 * injury),
        "t-rise": waves["t-rise"].moved(x=-0.05 * injury, y=0.18 * injury, z=0.06 * injury),
        "t-peak": waves["t-peak"].moved(y=0.06 * injury, z=0.04 * injury),
    }


def _right_block(waves: Waves, rng: np.random.Generator) -> Waves:
    """The right ventricle comes last and alone: a slow wave to the right and front."""
    size, wide = rng.uniform(0.55, 1.15), rng.uniform(0.9, 1.25)
    late = Wave(0.052 + 0.012 * (wide - 1), 0.0165 * wide, (-0.42 * size, 0.04, -0.46 * size))
    return waves | {
        "basal": waves["basal"].scaled(0.55),
        "late": late,
        "st": waves["st"].moved(x=0.01, z=0.03, delay=0.02),
        "t-rise": waves["t-rise"].moved(x=0.03, z=0.10 * size, delay=0.03),
        "t-peak": waves["t-peak"].moved(x=0.04, z=0.20 * size, delay=0.03),
    }


def _left_block(waves: Waves, rng: np.random.Generator) -> Waves:
    """Septum from right to left, then slowly through the muscle; ST and T opposite to QRS.

    Sizes and directions still carry the patient's own, through its `lateral` wave.
    """
    wide = rng.uniform(0.80, 1.06)
    own = np.linalg.norm(waves["lateral"].vector) / np.linalg.norm(VENTRICLES["lateral"].vector)
    size, opposite = float(own) * rng.uniform(0.85, 1.15), rng.uniform(0.7, 1.3)

    def slow(centre: float, width: float, x: float, y: float, z: float) -> Wave:
        return Wave(centre * wide, width * wide, (x, y, z)).scaled(size)

    return waves | {
        "septal": slow(-0.030, 0.013, 0.30, 0.10, 0.05 + 0.15 * rng.uniform(-1.0, 1.0)),
        "apical": slow(-0.004, 0.016, 0.62, 0.30, 0.42),
        "lateral": slow(0.040, 0.019, 0.74, 0.22, 0.62),
        "late": waves["late"].scaled(0.0),
        "basal": slow(0.072, 0.015, 0.14, -0.06, 0.30),
        "st": Wave(0.135, 0.040, (-0.07 * opposite, -0.01, -0.10 * opposite)),
        "t-rise": Wave(0.215, 0.050, (-0.13 * opposite, -0.03, -0.15 * opposite)),
        "t-peak": Wave(0.280, 0.038, (-0.22 * opposite, -0.05, -0.24 * opposite)),
    }


# In this order: an infarct or thick muscle shapes the wave that a blocked branch then delays.
EFFECTS: dict[str, Callable[[Waves, np.random.Generator], Waves]] = {
    "LVH": _hypertrophy,
    "AMI": _anterior_infarction,
    "IMI": _inferior_infarction,
    "RBBB": _right_block,
    "LBBB": _left_block,
}


def ectopic_waves(rng: np.random.Generator) -> Waves:
    """A beat from one place in either ventricle: wide, tall, ST and T opposite to QRS."""
    left = rng.random() < 0.4  # from the left ventricle, thus towards the right
    main = np.array([-0.75 if left else 0.95, rng.uniform(-0.9, 1.1), -0.7 if left else 0.6])
    main *= rng.uniform(0.9, 1.3)
    bend = rng.normal(0.0, 0.25, 3)
    wide = rng.uniform(0.82, 1.1)
    back = -rng.uniform(0.28, 0.45) * main
    shapes: dict[str, tuple[float, float, NDArray[np.float64]]] = {
        "septal": (-0.022, 0.018, 0.45 * main + bend),
        "lateral": (0.022, 0.024, main),
        "basal": (0.072, 0.019, 0.25 * main - bend),
        "st": (0.140, 0.036, 0.45 * back),
        "t-rise": (0.205, 0.046, 0.7 * back),
        "t-peak": (0.270, 0.040, back),
    }
    return {
        name: Wave(centre * wide, width * wide, (float(v[0]), float(v[1]), float(v[2])))
        for name, (centre, width, v) in shapes.items()
    }
