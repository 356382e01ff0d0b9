"""The cohorts in the layout of the PhysioNet Challenge 2021: generated trees, and real records."""

from __future__ import annotations

import logging
import shutil
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lcd_plugin.data import specs
from lcd_plugin.data.cohort import CohortSettings
from lcd_plugin.data.cohorts import snomed
from lcd_plugin.data.cohorts.challenge import (
    SCORED_TASK,
    SOURCES,
    ChallengeCohort,
    CodeTask,
    SourceCohort,
    read_codes,
    source_of,
)
from lcd_plugin.data.cohorts.challenge2021 import Challenge2021, Challenge2021Settings
from lcd_plugin.data.cohorts.chapman import Chapman
from lcd_plugin.data.cohorts.cpsc2018 import CPSC2018
from lcd_plugin.data.cohorts.cpsc2018_extra import CPSC2018Extra
from lcd_plugin.data.cohorts.georgia import Georgia
from lcd_plugin.data.cohorts.ningbo import Ningbo
from lcd_plugin.data.cohorts.ptb import PTB
from lcd_plugin.data.prepare import prepare
from lcd_plugin.data.settings import DataSettings
from lcd_plugin.data.splits import split_of_patient
from lcd_plugin.errors import DataError, RecordError

COHORTS: list[type[SourceCohort]] = [CPSC2018, CPSC2018Extra, Chapman, Ningbo, Georgia, PTB]

# The 30 scored codes as the challenge's table has them, line by line, and what it says of pairs.
SCORED_LINES = """
164889003 AF,164890007 AFL,6374002 BBB,426627000 Brady,733534002 CLBBB,713427006 CRBBB,
270492004 IAVB,713426002 IRBBB,39732003 LAD,445118002 LAnFB,164909002 LBBB,251146004 LQRSV,
698252002 NSIVCB,426783006 NSR,284470004 PAC,10370003 PR,365413008 PRWP,427172004 PVC,
164947007 LPR,111975006 LQT,164917005 QAb,47665007 RAD,59118001 RBBB,427393009 SA,426177001 SB,
427084000 STach,63593006 SVPB,164934002 TAb,59931005 TInv,17338001 VPB
"""
SCORED_CODES = dict(
    entry.split() for entry in SCORED_LINES.replace("\n", "").split(",") if entry.strip()
)
SAME = {"CLBBB": "LBBB", "CRBBB": "RBBB", "SVPB": "PAC", "VPB": "PVC"}
NINE = {
    "426783006": "SNR",
    "164889003": "AF",
    "270492004": "IAVB",
    "164909002": "LBBB",
    "59118001": "RBBB",
    "284470004": "PAC",
    "164884008": "PVC",
    "429622005": "STD",
    "164931005": "STE",
}
RHYTHMS = {
    "164889003": "AFIB",
    "164890007": "AFIB",
    "426761007": "GSVT",
    "713422000": "GSVT",
    "17366009": "GSVT",
    "427084000": "GSVT",
    "251166008": "GSVT",
    "233896004": "GSVT",
    "233897008": "GSVT",
    "426177001": "SB",
    "426783006": "SR",
    "427393009": "SR",
}
INFARCTION = {"164865005": "MI", "426783006": "NORM"}


def scored(codes: set[str]) -> set[str]:
    names = {SCORED_CODES[code] for code in codes & set(SCORED_CODES)}
    return {SAME.get(name, name) for name in names}


def only(names: set[str]) -> set[str]:
    return names if len(names) == 1 else set()


# Every task by a rule of its own, for a set of codes.
RULES: dict[tuple[type[ChallengeCohort], str], Callable[[set[str]], set[str]]] = {
    (CPSC2018, "diagnosis"): lambda codes: {NINE[c] for c in codes & set(NINE)},
    (CPSC2018, "diagnosis-single"): lambda codes: only({NINE[c] for c in codes & set(NINE)}),
    (CPSC2018Extra, "scored"): scored,
    (Chapman, "rhythm"): lambda codes: only({RHYTHMS[c] for c in codes & set(RHYTHMS)}),
    (Chapman, "scored"): scored,
    (Ningbo, "scored"): scored,
    (Georgia, "scored"): scored,
    (PTB, "infarction"): lambda codes: only({INFARCTION[c] for c in codes & set(INFARCTION)}),
    (Challenge2021, "scored"): scored,
}


def cohort(
    kind: type[ChallengeCohort], folder: Path, given: CohortSettings | None = None
) -> ChallengeCohort:
    return kind(folder, given or kind.settings_class(), 100)


def table_of(kind: type[ChallengeCohort], folder: Path, **given: object) -> pd.DataFrame:
    return cohort(kind, folder, kind.settings_class.model_validate(given)).index().table


def labels_of(folder: Path, kind: type[ChallengeCohort], task: str, **given: object) -> dict:
    table = table_of(kind, folder, **given)
    return dict(zip(table["origin"], table[task], strict=True))


@pytest.fixture
def add(write_record: Callable[..., None], tmp_path: Path) -> Callable[..., Path]:
    """Write a record of the challenge into `tmp_path`; returns the challenge's folder."""

    def write(place: str, comment: str = "#Dx: 426783006", training: bool = True) -> Path:
        path = (tmp_path / "training" / place) if training else tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        write_record(path.parent, path.name, seed=zlib.crc32(place.encode()))
        with path.with_name(path.name + ".hea").open("a") as header:
            header.write(f"#Age: NaN\n#Sex: Unknown\n{comment}\n#Rx: Unknown\n#Hx: 59118001\n")
        return tmp_path

    return write


# Tables of codes


def test_the_scored_classes_are_the_challenges_with_four_pairs_merged():
    merged: dict[str, set[str]] = {}
    for code, name in SCORED_CODES.items():
        merged.setdefault(SAME.get(name, name), set()).add(code)
    assert {name: set(codes) for name, codes in snomed.SCORED.items()} == merged
    assert len(snomed.SCORED) == 26
    pairs = {frozenset(codes) for codes in snomed.SCORED.values() if len(codes) > 1}
    assert pairs == {
        frozenset({"713427006", "59118001"}),
        frozenset({"284470004", "63593006"}),
        frozenset({"427172004", "17338001"}),
        frozenset({"733534002", "164909002"}),
    }


@pytest.mark.parametrize("name", ["SCORED", "CPSC2018", "CHAPMAN_RHYTHM", "PTB_INFARCTION"])
def test_a_code_is_in_one_class_once(name: str):
    codes = [code for codes in getattr(snomed, name).values() for code in codes]
    assert len(codes) == len(set(codes))
    assert all(code.isdecimal() for code in codes)


def test_the_other_tables_against_the_tests_own():
    for table, own in [
        (snomed.CPSC2018, NINE),
        (snomed.CHAPMAN_RHYTHM, RHYTHMS),
        (snomed.PTB_INFARCTION, INFARCTION),
    ]:
        assert {code: name for name, codes in table.items() for code in codes} == own


@pytest.mark.parametrize("kind", [*COHORTS, Challenge2021])
def test_every_cohort_has_a_spec_and_tasks_of_its_own(kind: type[ChallengeCohort]):
    places = {spec.implementation for spec in vars(specs).values() if hasattr(spec, "summary")}
    assert f"{kind.__module__}:{kind.__name__}" in places
    names = {task.name for task in kind.code_tasks}
    assert names == {task for cohort_kind, task in RULES if cohort_kind is kind}


# Labels


@pytest.mark.parametrize(
    ("codes", "rhythm"),
    [
        ("164889003", "AFIB"),
        ("164890007,164934002", "AFIB"),
        ("164889003,164890007", "AFIB"),
        ("427084000", "GSVT"),
        ("426761007", "GSVT"),
        ("713422000", "GSVT"),
        ("17366009", "GSVT"),
        ("251166008", "GSVT"),
        ("233897008,427084000", "GSVT"),
        ("426177001,59118001", "SB"),
        ("427393009", "SR"),
        ("426783006,427393009", "SR"),
        ("426783006,195101003", "SR"),
        ("426783006,426177001", ""),
        ("59118001", ""),
        ("", ""),
    ],
)
def test_chapmans_rhythms_are_merged(add: Callable[..., Path], codes: str, rhythm: str):
    root = add("chapman_shaoxing/g1/JS00001", f"#Dx: {codes}")
    assert labels_of(root, Chapman, "rhythm") == {"chapman_shaoxing/JS00001": rhythm}


def test_cpsc_by_all_types_and_by_one(add: Callable[..., Path]):
    root = add("cpsc_2018/g1/A0001", "#Dx: 59118001,164889003")
    add("cpsc_2018/g1/A0002", "#Dx: 164884008")
    add("cpsc_2018/g2/A0003", "#Dx: 713422000")
    every = labels_of(root, CPSC2018, "diagnosis")
    assert list(every.values()) == ["AF;RBBB", "PVC", ""]
    assert list(labels_of(root, CPSC2018, "diagnosis-single").values()) == ["", "PVC", ""]
    index = cohort(CPSC2018, root).index()
    assert [(task.name, task.kind) for task in index.tasks] == [
        ("diagnosis", "multi-label"),
        ("diagnosis-single", "single-label"),
    ]
    assert index.tasks[0].classes == tuple(NINE.values())


def test_ptb_infarction_or_health(add: Callable[..., Path]):
    root = add("ptb/g1/S0001", "#Dx: 164865005,427393009")
    add("ptb/g1/S0002", "#Dx: 426783006")
    add("ptb/g1/S0003", "#Dx: 426783006,164865005")
    add("ptb/g1/S0004", "#Dx: 164896001")
    assert list(labels_of(root, PTB, "infarction").values()) == ["MI", "NORM", "", ""]


@pytest.mark.parametrize(
    "comment",
    [
        "# Dx: 59118001,427084000",
        "#Dx:59118001 , 427084000 ",
        "#  dx : 427084000;59118001",
        "#Dx: 427084000,,713427006,",
        "#Dx: 427084000\n#Dx: 713427006",
        "#Dx: 427084000,Unknown,5911800,00059118001,59118001\r",
        "#Dx: 427084000,59118001,é\u2028",
    ],
)
def test_ways_to_write_a_diagnosis(add: Callable[..., Path], comment: str):
    root = add("georgia/g1/E00001", comment)
    assert list(labels_of(root, Georgia, "scored").values()) == ["RBBB;STach"]


@pytest.mark.parametrize(
    "comment", ["#Dx: Unknown", "#Dx:", "#Dx: 164884008", "#Notdx: 59118001", "#Hx: 427084000"]
)
def test_a_record_without_a_scored_class_stays(add: Callable[..., Path], comment: str):
    root = add("ningbo/g1/JS20000", comment)
    assert labels_of(root, Ningbo, "scored") == {"ningbo/JS20000": ""}


ALL_TASKS = {task.name: task for kind in COHORTS for task in kind.code_tasks}
KNOWN = sorted({code for task in ALL_TASKS.values() for c in task.codes.values() for code in c})
UNKNOWN = st.text("0123456789abcNa.-#:", min_size=1).filter(lambda word: word not in KNOWN)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    codes=st.lists(st.sampled_from(KNOWN), max_size=6),
    others=st.lists(UNKNOWN, max_size=4),
    separator=st.sampled_from([",", ", ", " ,", ",,", " ", ";"]),
    data=st.data(),
)
@pytest.mark.parametrize("task", ALL_TASKS.values(), ids=ALL_TASKS)
def test_order_repetition_and_unknown_codes_change_nothing(
    tmp_path: Path,
    task: CodeTask,
    codes: list[str],
    others: list[str],
    separator: str,
    data: st.DataObject,
):
    again = data.draw(st.lists(st.sampled_from(codes), max_size=4)) if codes else []
    words = data.draw(st.permutations(codes + again + others))
    header = tmp_path / "x.hea"
    header.write_text(f"x 12 500 5000\n#Age: NaN\n#Dx: {separator.join(words)}\n#Rx: Unknown\n")
    assert task.label(read_codes(header)) == task.label(codes)
    assert set(task.label(codes).split(";")) - {""} <= set(task.codes)


# Folders


@pytest.mark.parametrize("place", ["", "training", "training/georgia"])
def test_any_of_three_folders(add: Callable[..., Path], place: str):
    root = add("georgia/g1/E00001", "#Dx: 59118001")
    add("georgia/g2/E00002", "#Dx: 164889003")
    add("ningbo/g1/JS20000")
    found = cohort(Georgia, root / place)
    table = found.index().table
    assert list(table["origin"]) == ["georgia/E00001", "georgia/E00002"]
    assert list(table["patient"]) == ["georgia/E00001", "georgia/E00002"]
    assert list(table["scored"]) == ["RBBB", "AF"]
    assert list(table["split"]) == [split_of_patient(p) for p in table["patient"]]
    for record in table["record"]:
        assert (root / place / f"{record}.hea").is_file()
        assert found.read(record).signal.shape == (12, 1000)
        assert found.shape(record).samples == 1000
        assert [path.suffix for path in found.files(record)] == [".hea", ".dat"]


def test_records_are_named_by_their_path(add: Callable[..., Path]):
    root = add("georgia/g10/E00002")
    add("georgia/g2/E00001")
    assert list(table_of(Georgia, root / "training/georgia")["record"]) == [
        "g10/E00002",
        "g2/E00001",
    ]
    assert table_of(Georgia, root)["record"].iloc[0] == "training/georgia/g10/E00002"


def test_headers_without_subfolders_and_in_deep_ones(add: Callable[..., Path]):
    root = add("ningbo/JS20000")
    add("ningbo/WFDBRecords/20/200/JS20001")
    add("ningbo/own-name")
    # What other systems leave beside a file.
    (root / "training/ningbo/._JS20000.hea").write_bytes(b"\0\5")
    table = table_of(Ningbo, root / "training/ningbo")
    assert list(table["record"]) == ["JS20000", "WFDBRecords/20/200/JS20001", "own-name"]
    assert list(table["patient"]) == ["ningbo/JS20000", "ningbo/JS20001", "ningbo/own-name"]


def test_a_release_of_chapman_and_ningbo_is_taken_apart(
    add: Callable[..., Path], caplog: pytest.LogCaptureFixture
):
    names = ["JS00001", "JS10646", "JS10647", "JS45551"]
    for name in names:
        root = add(f"WFDBRecords/01/010/{name}", training=False)
    assert list(table_of(Chapman, root)["origin"]) == [
        "chapman_shaoxing/JS00001",
        "chapman_shaoxing/JS10646",
    ]
    assert list(table_of(Ningbo, root)["origin"]) == ["ningbo/JS10647", "ningbo/JS45551"]
    assert "2 records are of other sources than ningbo" in caplog.text


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("A0001", "cpsc_2018"),
        ("Q3581", "cpsc_2018_extra"),
        ("E10344", "georgia"),
        ("S0549", "ptb"),
        ("HR21837", "ptb-xl"),
        ("I0074", "st_petersburg_incart"),
        ("JS10646", "chapman_shaoxing"),
        ("JS10647", "ningbo"),
        ("r1", None),
        ("X0001", None),
        ("A00012345", None),
    ],
)
def test_sources_by_their_names(name: str, source: str | None):
    assert source_of(name) == source


def test_no_folder_no_source_no_records(add: Callable[..., Path], tmp_path: Path):
    with pytest.raises(DataError, match=r"no folder .*nowhere; give that of"):
        cohort(Chapman, tmp_path / "nowhere").index()
    with pytest.raises(DataError, match=r"no records \(\*\.hea\) of chapman_shaoxing .* give"):
        cohort(Chapman, tmp_path).index()
    root = add("georgia/g1/E00001")
    for folder in (root, root / "training"):
        with pytest.raises(DataError, match="holds georgia but no folder chapman_shaoxing; give"):
            cohort(Chapman, folder).index()
    # The folder of another source, whatever its own name.
    with pytest.raises(DataError, match=r"no records \(\*\.hea\) of chapman_shaoxing"):
        cohort(Chapman, root / "training/georgia/g1").index()


def test_a_partial_copy_is_listed_in_full(
    add: Callable[..., Path], caplog: pytest.LogCaptureFixture
):
    root = add("georgia/g1/E00001")
    add("georgia/g1/E00002")
    source = root / "training/georgia"
    (source / "RECORDS").write_text("g1/\ng1\ng2/\ng1/E00009\n")
    (source / "g1/RECORDS").write_text("E00001\nE00002\n\n  E00003\nE00004")
    georgia = cohort(Georgia, source)
    table = georgia.index().table
    assert list(table["record"]) == [f"g1/E0000{i}" for i in (1, 2, 3, 4, 9)]
    assert list(table["scored"]) == ["NSR", "NSR", "", "", ""]
    assert "3 of 5 records that RECORDS lists have no header" in caplog.text
    with pytest.raises(RecordError, match=r"no header file E00003\.hea"):
        georgia.read("g1/E00003")
    assert georgia.files("g1/E00003") == ()


def test_preparing_names_what_is_not_there(add: Callable[..., Path]):
    for i in range(30):
        root = add(f"georgia/g1/E{i:05d}")
    source = root / "training/georgia"
    (source / "g1/RECORDS").write_text("E00003\nE99999\n")
    store = prepare(cohort(Georgia, source), "georgia", 1, DataSettings())
    assert list(store.left_out.iloc[:, 0]) == ["g1/E99999"]
    assert store.manifest.n_records == 30


@pytest.mark.parametrize(
    "line", ["../E00009", "/etc/E00009", "g1/../../E00009", "a\\b", "C:E00009", ".", "E\0"]
)
def test_a_list_does_not_lead_out_of_the_folder(
    add: Callable[..., Path], caplog: pytest.LogCaptureFixture, line: str
):
    root = add("georgia/g1/E00001")
    add("E00009", training=False)
    (root / "training/georgia/g1/RECORDS").write_text(f"E00001\n{line}\n")
    table = table_of(Georgia, root / "training/georgia")
    assert list(table["record"]) == ["g1/E00001"]
    assert "1 lines do not name a file in its folder" in caplog.text


def test_headers_that_cannot_be_read_do_not_stop_the_index(add: Callable[..., Path]):
    root = add("georgia/g1/E00001")
    folder = root / "training/georgia/g1"
    (folder / "E00002.hea").symlink_to(folder / "nothing")
    (folder / "E00003.hea").mkdir()
    (folder / "E00006.hea").symlink_to(folder / "E00006.hea")
    (folder / "E00004.hea").write_bytes(b"\xff\xfe\0#Dx: 59118001\n#Dx: \xff\n#Dx: 59118001\xff")
    (folder / "E00005.hea").write_bytes(b"")
    (folder / "RECORDS").write_text("E00003\n")
    labels = labels_of(root, Georgia, "scored")
    assert labels == {f"georgia/E0000{i}": "NSR" if i == 1 else "" for i in range(1, 7)}


def test_an_index_is_made_once_and_nobody_can_change_it(add: Callable[..., Path]):
    root = add("georgia/g1/E00001")
    georgia = cohort(Georgia, root)
    table = georgia.index().table
    table["scored"] = "spoilt"
    shutil.rmtree(root / "training")
    assert list(georgia.index().table["scored"]) == ["NSR"]


# All sources together


def test_ptbxl_only_if_asked_for(add: Callable[..., Path]):
    for place in ["ptb-xl/g1/HR00005", "georgia/g1/E00001", "cpsc_2018/g1/A0001"]:
        root = add(place)
    assert list(table_of(Challenge2021, root)["origin"]) == ["cpsc_2018/A0001", "georgia/E00001"]
    with_it = table_of(Challenge2021, root, sources=["ptb-xl", "georgia"])
    assert list(with_it["origin"]) == ["georgia/E00001", "ptb-xl/5"]
    assert list(with_it["patient"]) == ["georgia/E00001", "ptb-xl/HR00005"]


def test_sources_that_are_not_there(add: Callable[..., Path], caplog: pytest.LogCaptureFixture):
    root = add("georgia/g1/E00001")
    with caplog.at_level(logging.WARNING):
        assert len(table_of(Challenge2021, root)) == 1
    assert "does not have chapman_shaoxing, cpsc_2018, cpsc_2018_extra, ningbo" in caplog.text
    assert "ptb-xl" not in caplog.text
    with pytest.raises(DataError, match=r"no folder ningbo, neither .* set `sources`"):
        table_of(Challenge2021, root, sources=("georgia", "ningbo"))
    with pytest.raises(DataError, match="no folder chapman_shaoxing, cpsc_2018"):
        table_of(Challenge2021, root / "training/georgia")


@pytest.mark.parametrize("sources", [[], ["geogria"], "georgia"])
def test_sources_that_do_not_exist(sources: object):
    with pytest.raises(ValidationError):
        Challenge2021Settings.model_validate({"sources": sources})


def test_the_same_record_is_in_the_same_part_in_both(add: Callable[..., Path]):
    for i in range(1, 40):
        root = add(f"chapman_shaoxing/g1/JS{i:05d}")
        add(f"georgia/g1/E{i:05d}")
    together = table_of(Challenge2021, root / "training").set_index("origin")
    alone = table_of(Chapman, root / "training/chapman_shaoxing").set_index("origin")
    assert set(alone["split"]) == {"train", "validation", "test"}
    both = together.loc[alone.index]
    for column in ("split", "patient", "scored"):
        assert list(both[column]) == list(alone[column])


# Real records


@pytest.fixture(scope="session")
def challenge(real_data: Path) -> Path:
    folder = real_data / "challenge-2021"
    if not folder.is_dir():
        pytest.skip(f"no records of the challenge: {folder}")
    return folder


def codes_by_plain_reading(folder: Path) -> dict[str, set[str]]:
    """Codes of every record by string code that shares nothing with the cohorts'."""
    codes = {}
    for header in folder.rglob("*.hea"):
        lines = [line.replace(" ", "") for line in header.read_text().split("\n")]
        found = [line[len("#Dx:") :] for line in lines if line.startswith("#Dx:")]
        codes[header.stem] = set(",".join(found).split(","))
    return codes


@pytest.mark.real
@pytest.mark.parametrize("place", ["", "training", "{source}"])
@pytest.mark.parametrize("kind", COHORTS)
def test_real_labels_against_a_plain_reading(challenge: Path, kind: type[SourceCohort], place: str):
    own = challenge / "training" / kind.source
    folder = own if place == "{source}" else challenge / place
    index = cohort(kind, folder).index()
    codes = codes_by_plain_reading(own)
    names = [origin.removeprefix(f"{kind.source}/") for origin in index.table["origin"]]
    assert sorted(names) == sorted(codes)
    for task in index.tasks:
        rule = RULES[kind, task.name]
        expected = {name: rule(found) for name, found in codes.items()}
        labels = [set(text.split(";")) - {""} for text in index.table[task.name]]
        assert dict(zip(names, labels, strict=True)) == expected
        counts = Counter(name for label in labels for name in label)
        assert counts == Counter(name for label in expected.values() for name in label)
        assert set(counts) <= set(task.classes)
        assert counts


@pytest.mark.real
def test_real_sources_together(challenge: Path):
    table = table_of(Challenge2021, challenge, sources=[kind.source for kind in COHORTS])
    by_default = table_of(Challenge2021, challenge)["origin"]
    assert set(table["origin"]) - set(by_default) == {"ptb/S0001", "ptb/S0002", "ptb/S0005"}
    expected = {
        f"{kind.source}/{name}": scored(found)
        for kind in COHORTS
        for name, found in codes_by_plain_reading(challenge / "training" / kind.source).items()
    }
    assert {
        o: set(t.split(";")) - {""} for o, t in zip(table.origin, table.scored, strict=True)
    } == (expected)
    for kind in COHORTS:
        alone = table_of(kind, challenge).set_index("origin")
        assert list(table.set_index("origin").loc[alone.index, "split"]) == list(alone["split"])


@pytest.mark.real
def test_every_real_record_is_read(challenge: Path):
    there = [name for name in SOURCES if (challenge / "training" / name).is_dir()]
    every = cohort(Challenge2021, challenge, Challenge2021Settings(sources=tuple(there)))
    table = every.index().table
    assert len(table) == len(list(challenge.rglob("*.hea")))
    for record in table["record"]:
        recording = every.read(record)
        shape = every.shape(record)
        assert recording.signal.shape == (len(shape.leads), shape.samples) == (12, shape.samples)
        assert recording.rate == shape.rate
        assert np.isfinite(recording.signal).all()
        header, signal = every.files(record)
        assert (header.suffix, signal.suffix) == (".hea", ".mat")


@pytest.mark.real
def test_the_origin_of_a_real_record_of_ptbxl(challenge: Path, real_data: Path):
    """HR00009 of the challenge is number 9 of PTB-XL, sample by sample."""
    table = table_of(Challenge2021, challenge, sources=["ptb-xl"])
    origins = dict(zip(table["record"].str[-7:], table["origin"], strict=True))
    assert origins["HR00005"] == "ptb-xl/5"
    assert origins["HR20715"] == "ptb-xl/20715"
    theirs = real_data / "ptbxl" / "records500" / "00000" / "00009_hr"
    assert origins["HR00009"] == "ptb-xl/9"
    ours = cohort(Challenge2021, challenge).read("training/ptb-xl/g1/HR00009")
    np.testing.assert_allclose(ours.signal.T, wfdb.rdrecord(str(theirs)).p_signal, atol=1e-9)


@pytest.mark.real
def test_a_real_list_names_what_a_copy_lacks(challenge: Path, tmp_path: Path):
    source = challenge / "training" / "cpsc_2018"
    (tmp_path / "g1").mkdir()
    shutil.copy(source / "g1" / "RECORDS", tmp_path / "g1")
    for ending in (".hea", ".mat"):
        shutil.copy(source / "g1" / f"A0001{ending}", tmp_path / "g1")
    whole, part = table_of(CPSC2018, source), table_of(CPSC2018, tmp_path)
    assert list(part["record"]) == list(whole["record"])
    assert list(part["split"]) == list(whole["split"])
    assert list(part["diagnosis"]) == ["RBBB"] + [""] * (len(part) - 1)


def test_the_scored_task_has_the_26_classes():
    assert SCORED_TASK.task.classes == tuple(snomed.SCORED)
    assert len(SCORED_TASK.task.classes) == 26
