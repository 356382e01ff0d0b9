"""What the host relies on in a dataset."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ValidationError

from lcd_plugin.data.cohort import (
    Cohort,
    CohortSettings,
    Recording,
    RecordShape,
)
from lcd_plugin.data.leads import STANDARD_LEADS, canonical_lead
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.settings import MIN_SAMPLES, PAPER_LEADS, DataSettings
from lcd_plugin.errors import RecordError
from lcd_plugin.plugins import DATASETS
from lcd_plugin.testing import dataset_index
from lcd_plugin.testing.check import caution, fail, sent
from lcd_plugin.testing.dataset_trial import RATE, DatasetTrial, own_cache

__all__ = ["CHECKS", "NEEDS", "SLOW", "DatasetTrial"]

PREPARED = 24
# Frank's leads have names of their own.
KNOWN_LEADS = {*STANDARD_LEADS, "VX", "VY", "VZ"}
NO_SUCH_RECORD = "no/such/record"


def description(trial: DatasetTrial) -> str:
    """The spec says in sentences where labels, patients and splits come from."""
    if trial.cohort_class.__name__ == trial.name:
        return "a class without a spec"
    spec = DATASETS.spec(trial.name)
    empty = [key for key in ("summary", "labels", "patients", "splits") if not getattr(spec, key)]
    if empty:
        caution(trial, f"its spec says nothing of {', '.join(empty)}; a sentence each helps.")
    if spec.needs_path and not spec.licence:
        caution(trial, "its spec names no licence of the records.")
    return ""


def settings(trial: DatasetTrial) -> None:
    """Settings are frozen, refuse unknown keys and survive JSON."""
    settings_class = trial.cohort_class.settings_class
    advice = "Inherit from CohortSettings and do not override its frozen=True and extra='forbid'."
    if not issubclass(settings_class, CohortSettings):
        fail("settings_class to inherit from CohortSettings", settings_class.__name__, advice)
    given = trial.settings
    if type(given).model_validate_json(given.model_dump_json()) != given:
        fail(
            "settings that come back from JSON as they were",
            f"{type(given).model_validate_json(given.model_dump_json())} for {given}",
            "Use fields of numbers, strings, booleans, and tuples of them.",
        )
    try:
        settings_class.model_validate({**given.model_dump(), "no_such_setting": 1})
    except ValidationError:
        pass
    else:
        fail("an unknown setting to be refused", "no error", advice)
    for key in type(given).model_fields:
        try:
            setattr(given, key, getattr(given, key))
        except ValidationError:
            continue
        fail("settings that cannot be changed", f"'{key}' could be set", advice)


def records(trial: DatasetTrial) -> None:
    """Records are read as (leads, time), with a rate and the names of their leads."""
    holes = []
    for name, recording in trial.readable.items():
        if not isinstance(recording, Recording):
            fail(f"a Recording from read('{name}')", type(recording).__name__, "Return one.")
        signal = recording.signal
        if np.ndim(signal) != 2 or signal.dtype.kind != "f" or 0 in signal.shape:
            fail(
                f"a signal of floats, shape (leads, time), in record '{name}'",
                f"{getattr(signal, 'dtype', type(signal).__name__)}, shape {np.shape(signal)}",
                "Convert to mV as float64, and transpose if time comes first.",
            )
        if len(recording.leads) != len(signal) or len(set(recording.leads)) < len(signal):
            fail(
                f"a name for each of the {len(signal)} rows of record '{name}'",
                f"{', '.join(recording.leads)}",
                "Give `leads` one name a row; is the signal (time, leads)?",
            )
        if not recording.rate > 0:
            fail(
                f"a rate in Hz in record '{name}'", f"{recording.rate}", "Read it from the header."
            )
        if not np.isfinite(signal).all():
            holes.append(name)
        strange = [x for x in recording.leads if canonical_lead(x) not in KNOWN_LEADS]
        if strange:
            caution(trial, f"record '{name}' has leads that no suite asks for: {strange}.")
    if holes:
        caution(
            trial,
            f"{len(holes)} of {len(trial.readable)} records have samples that are no numbers, such "
            f"as '{holes[0]}'; the quality gate lists and leaves out such records.",
        )


def shapes(trial: DatasetTrial) -> None:
    """What `shape` says of a record is what `read` gives."""
    for name, recording in trial.readable.items():
        said = trial.cohort.shape(name)
        given = RecordShape(recording.rate, recording.signal.shape[1], tuple(recording.leads))
        if said != given:
            fail(
                f"shape('{name}') to agree with read('{name}'): {given}",
                f"{said}",
                "Read both from the same place, or leave shape() out.",
            )


def missing_record(trial: DatasetTrial) -> None:
    """A record that is not there is a RecordError, which costs that record only."""
    try:
        trial.cohort.read(NO_SUCH_RECORD)
    except RecordError:
        return
    except Exception as error:  # whatever it is, it should have been a RecordError
        came = f"{type(error).__name__}: {error}"
    else:
        came = "a recording"
    fail(
        f"a RecordError from read('{NO_SUCH_RECORD}')",
        came,
        "Raise lcd_plugin.errors.RecordError for a record that is missing or unreadable.",
    )


def deterministic(trial: DatasetTrial) -> None:
    """Another process finds the same records with the same samples."""
    cohort_class, own = sent(trial.cohort_class, trial.settings)
    cohort: Cohort = cohort_class(trial.folder, own, RATE)
    index = cohort.index()
    if index.tasks != trial.index.tasks or not index.table.equals(trial.index.table):
        fail(
            "the same index a second time",
            "another one",
            "Sort what comes from a folder or a set, and draw with a fixed seed.",
        )
    # In another order: a record depends on its name only.
    for name in reversed(trial.readable):
        if not np.array_equal(
            cohort.read(name).signal, trial.readable[name].signal, equal_nan=True
        ):
            fail(
                f"the same samples of '{name}' a second time",
                "others",
                "What read() draws must depend on the record's name, not on what was read before.",
            )


def files(trial: DatasetTrial) -> str:
    """The files of a record and of the index are there."""
    for name in trial.readable:
        absent = [path for path in trial.cohort.files(name) if not path.is_file()]
        if absent:
            fail(
                f"the files of '{name}'",
                f"no file {absent[0]}",
                "Return the paths that read() opens; they tell whether a record has changed.",
            )
        if trial.folder is not None and not trial.cohort.files(name):
            fail(
                f"files of '{name}'",
                "none",
                "Return the paths that read() opens; a store is made anew when they change.",
            )
    if absent := [path for path in trial.cohort.tables() if not path.is_file()]:
        fail("the files of tables()", f"no file {absent[0]}", "Return what index() reads.")
    return "" if trial.folder is not None else "no folder: records are made, not read"


def preparation(trial: DatasetTrial) -> None:
    """A few records can be prepared, and give the same store again."""
    wanted = _settings_for(list(trial.readable.values()))
    version = DATASETS.spec(trial.name).version if trial.name in DATASETS.names() else 1
    found = []
    for _ in range(2):
        with own_cache():
            store = prepare(trial.make(), trial.name, version, wanted, limit=PREPARED, jobs=1)
            signals = np.array(store.signals, dtype=np.float32)
            quality, count = store.quality, store.manifest.n_records
            found.append((store.manifest.fingerprint, signals))
    if found[0][0] != found[1][0] or not np.array_equal(found[0][1], found[1][1]):
        fail(
            "the same store from the same records",
            "another one",
            "What index(), read() and files() give must not depend on time, order or chance.",
        )
    if not np.isfinite(signals).all():
        fail("finite prepared records", "NaN or infinity", "Look at the amplitudes, in mV.")
    flagged = quality.loc[quality["kind"] == "amplitude", "record"].nunique()
    if 2 * flagged > count:
        caution(
            trial,
            f"{flagged} of {count} prepared records have amplitudes that are no "
            f"ECG's; read() has to give mV.",
        )


def _settings_for(readable: list[Recording]) -> DataSettings:
    """Leads and a length that these records have."""
    shared = set.intersection(*({canonical_lead(x) for x in r.leads} for r in readable))
    leads = tuple(lead for lead in PAPER_LEADS if lead in shared) or tuple(sorted(shared))
    shortest = min(r.signal.shape[1] / r.rate for r in readable)
    seconds = min(10.0, shortest)
    return DataSettings(
        leads=leads, seconds=seconds, rate=max(RATE, (MIN_SAMPLES + 1) / seconds), shorter="pad"
    )


CHECKS = (
    description,
    settings,
    *dataset_index.CHECKS,
    records,
    shapes,
    missing_record,
    deterministic,
    files,
    preparation,
)
SLOW: frozenset[Any] = frozenset()
# Without an index nothing else can be said, and little without records that can be read.
NEEDS: dict[Any, Any] = {
    dataset_index.patients_apart: dataset_index.table,
    dataset_index.labels: dataset_index.table,
    records: dataset_index.table,
    shapes: records,
    deterministic: records,
    files: records,
    preparation: records,
}
