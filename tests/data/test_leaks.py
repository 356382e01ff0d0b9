"""The leak checks, on tables made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lcd_plugin.data.leaks import check_parts, check_transfer
from lcd_plugin.errors import DataError

PARTS = ["train", "train", "train", "validation", "test", "test"]


def table(dataset: str, parts: list[str] = PARTS, **changes: dict[int, str]) -> pd.DataFrame:
    """Records `a0`, `a1`, ... of dataset `a`; changes by column and row."""
    names = [f"{dataset}{i}" for i in range(len(parts))]
    made = pd.DataFrame(
        {
            "record": names,
            "patient": [f"p{i}" for i in range(len(parts))],
            "split": parts,
            "origin": [f"{dataset}/{name}" for name in names],
            "content": [f"hash of {name}" for name in names],
        }
    )
    for column, cells in changes.items():
        for row, value in cells.items():
            made.loc[row, column] = value
    return made


def rows(source: pd.DataFrame) -> np.ndarray:
    return np.flatnonzero(source["split"] == "train")


def test_parts_that_share_nothing_pass():
    check_parts(table("a"), "a")
    # One patient with several records in one part is as it should be.
    check_parts(table("a", patient={0: "p", 1: "p"}, origin={4: "o", 5: "o"}), "a")


@pytest.mark.parametrize("column", ["patient", "origin", "content"])
@pytest.mark.parametrize(("one", "other"), [(0, 3), (0, 4), (3, 5)])
def test_what_two_parts_share_is_found_and_named(column: str, one: int, other: int):
    shared = table("a", **{column: {one: "same", other: "same"}})
    with pytest.raises(DataError) as error:
        check_parts(shared, "a")
    said = str(error.value)
    part = {"train": "training"}
    for row in (one, other):
        assert f"a record a{row} is in the {part.get(PARTS[row], PARTS[row])} part" in said
    assert "Put all records of a patient into one part" in said
    assert "a1" not in said


def test_a_part_may_be_missing():
    check_parts(table("a", ["train"] * 4), "a")
    check_parts(table("a", []), "a")


def test_datasets_that_share_nothing_pass():
    pretraining, target = table("a"), table("b")
    # Patients of two datasets have equal names by chance.
    check_transfer(pretraining, rows(pretraining), "a", target, "b")


@pytest.mark.parametrize("column", ["origin", "content"])
@pytest.mark.parametrize("held", [3, 4])
def test_a_held_out_record_that_was_pretrained_on_is_found(column: str, held: int):
    pretraining, target = (
        table("a", **{column: {1: "same"}}),
        table("b", **{column: {held: "same"}}),
    )
    with pytest.raises(DataError) as error:
        check_transfer(pretraining, rows(pretraining), "a", target, "b")
    said = str(error.value)
    assert "a record a1 is in the training part" in said
    assert f"b record b{held} is in the {PARTS[held]} part" in said
    assert "Pretrain on another dataset" in said


@pytest.mark.parametrize("column", ["origin", "content"])
def test_what_is_not_used_or_not_held_out_is_no_leak(column: str):
    # In the test part of the one, which pretraining does not see.
    pretraining, target = table("a", **{column: {4: "same"}}), table("b", **{column: {4: "same"}})
    check_transfer(pretraining, rows(pretraining), "a", target, "b")
    with pytest.raises(DataError, match="a record a4 is in the test part"):
        check_transfer(pretraining, np.arange(6), "a", target, "b")
    # In the training part of the other, which training sees anyway.
    target = table("b", **{column: {0: "same"}})
    check_transfer(pretraining, np.arange(6), "a", target, "b")


def test_patients_have_names_of_their_own_in_each_dataset():
    one, other = table("a"), table("a", parts=["test"] * 6, origin={0: "o"}, content={0: "c"})
    fresh = other.assign(origin="x" + other["origin"], content="x" + other["content"])
    check_transfer(one, rows(one), "a", fresh, "b")


def test_rows_are_numbers_or_a_mask():
    pretraining, target = table("a", content={1: "same"}), table("b", content={4: "same"})
    mask = np.array(pretraining["split"] == "train")
    for used in (mask, np.flatnonzero(mask)):
        with pytest.raises(DataError, match="a record a1 "):
            check_transfer(pretraining, used, "a", target, "b")
    mask[1] = False
    check_transfer(pretraining, mask, "a", target, "b")
    check_transfer(pretraining, np.flatnonzero(mask), "a", target, "b")


def test_a_message_names_the_first_few_records_once():
    parts = ["train"] * 5 + ["test"] * 6
    shared = table("a", parts, content=dict.fromkeys((*range(5), *range(5, 11)), "same"))
    shared.loc[10, "record"] = "a9"  # two windows of one recording
    with pytest.raises(DataError) as error:
        check_parts(shared, "a")
    said = str(error.value)
    assert "a record a2 is in the training part and 2 more; a record a5 " in said
    assert "a record a7 is in the test part and 2 more." in said
    assert "\n" not in said


def test_many_records_without_a_leak_pass():
    n = 100_000
    numbers = np.arange(n).astype(str)
    split = np.where(
        np.arange(n) % 10 < 8, "train", np.where(np.arange(n) % 10 < 9, "validation", "test")
    )
    large = pd.DataFrame(
        {
            "record": numbers,
            "patient": numbers,
            "split": split,
            "origin": numbers,
            "content": numbers,
        }
    ).astype(object)
    other = large.assign(origin="b/" + large["origin"], content="b" + large["content"])
    check_parts(large, "a")
    check_transfer(large, rows(large), "a", other, "b")
