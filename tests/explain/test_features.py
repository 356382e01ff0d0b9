"""Embedding any records: the benchmark's numbers, any leads, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lcd_plugin.bench.datasets import open_store
from lcd_plugin.bench.suite import load_suite
from lcd_plugin.encoders import create_encoder, load_encoder, save_encoder
from lcd_plugin.errors import ConfigError, DataError
from lcd_plugin.evaluate.features import extract_features
from lcd_plugin.explain import embed, plan_embedding


def of_the_benchmark(folder: Path, encoder: Path) -> dict[str, np.ndarray]:
    """Features by record, from a store as `lcd-bench run` prepares it."""
    suite = load_suite(
        None,
        [],
        {"methods": ["random"], "datasets": ["wfdb"], "settings": {"wfdb": {"path": str(folder)}}},
    )
    store = open_store("wfdb", suite, lambda *_: None)
    features = extract_features(load_encoder(encoder), store.signals, torch.device("cpu"))
    return dict(zip(store.table["record"], features, strict=True))


def test_features_are_those_of_the_benchmark(wfdb_folder: Path, encoder_file: Path):
    expected = of_the_benchmark(wfdb_folder, encoder_file)
    from_files, features = embed([str(wfdb_folder)], encoder_file)
    assert [Path(name).name for name in from_files["record"]] == list(expected)
    np.testing.assert_array_equal(features, np.stack(list(expected.values())))
    from_dataset, again = embed([f"wfdb={wfdb_folder}"], encoder_file)
    assert list(from_dataset["record"]) == list(expected)
    assert list(from_dataset["patient"]) == [f"p{i}" for i in range(12)]
    np.testing.assert_array_equal(again, features)


def test_a_column_is_a_feature_of_its_lead(wfdb_folder: Path, encoder_file: Path):
    record = str(wfdb_folder / "r03.hea")
    columns = plan_embedding([record], encoder_file).columns
    _, features = embed([record], encoder_file)
    _, of_v2 = embed([record], encoder_file, leads=["V2"])
    begin = columns.index("V2_0")
    assert columns[begin : begin + of_v2.shape[1]] == [f"V2_{i}" for i in range(of_v2.shape[1])]
    np.testing.assert_allclose(features[:, begin : begin + of_v2.shape[1]], of_v2, atol=1e-6)


def test_a_holter_of_two_leads_in_its_own_spelling(
    tmp_path: Path, write_record: Callable[..., None], encoder_file: Path
):
    write_record(tmp_path, "h1", leads=["MLII", "V5"], rate=360, seconds=30)
    _, features = embed([str(tmp_path / "h1")], encoder_file, leads=["II", "V5"])
    assert features.shape == (1, 2 * load_encoder(encoder_file).num_features)
    with pytest.raises(DataError, match="None of 1 records"):
        embed([str(tmp_path / "h1")], encoder_file)


def test_an_encoder_of_all_leads_takes_no_other_leads(
    wfdb_folder: Path, write_encoder: Callable[..., Path]
):
    joint = write_encoder(in_leads=8)
    plan = plan_embedding([str(wfdb_folder)], joint)
    assert plan.columns[:2] == ["f0", "f1"]
    assert sum(len(batch.records) for batch in plan.batches()) == 12
    with pytest.raises(ConfigError, match="reads 8 leads at once"):
        plan_embedding([str(wfdb_folder)], joint, leads=["II", "V5"])


def test_what_cannot_be_read_is_named_and_the_rest_stays(wfdb_folder: Path, encoder_file: Path):
    (wfdb_folder / "r03.dat").write_bytes(b"cut")
    (wfdb_folder / "r05.hea").write_text("nonsense\n")
    [batch] = plan_embedding([f"wfdb={wfdb_folder}"], encoder_file).batches()
    assert dict(batch.left_out).keys() == {"r03", "r05"}
    assert "r03.dat is cut" in dict(batch.left_out)["r03"]
    assert len(batch.records) == len(batch.features) == len(batch.patients) == 10
    whole = dict(zip(batch.records, batch.patients, strict=True))
    assert whole["r04"] == "p4"
    assert whole["r11"] == "p11"


def test_records_come_from_lists_folders_and_names_once_each(
    wfdb_folder: Path, encoder_file: Path, monkeypatch: pytest.MonkeyPatch
):
    below = wfdb_folder / "below"
    below.mkdir()
    (below / "LIST").write_text("# mine\n../r01\n../r02.hea\n\n")
    monkeypatch.chdir(wfdb_folder)
    plan = plan_embedding(["r00.hea", "r00.dat", "r00", "below/LIST"], encoder_file)
    [group] = plan.groups
    assert group.names == ("r00", "below/../r01", "below/../r02")


def test_segments_are_no_records_of_their_own(wfdb_folder: Path, encoder_file: Path):
    (wfdb_folder / "long.hea").write_text("long/2 12 100 2000\nr00 1000\nr01 1000\n")
    [group] = plan_embedding([str(wfdb_folder)], encoder_file).groups
    assert [Path(name).name for name in group.names][:3] == ["long", "r02", "r03"]


def test_a_name_that_is_nothing_is_an_error_at_once(encoder_file: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match="did you mean 'ptbxl'"):
        plan_embedding(["ptbx"], encoder_file)
    (tmp_path / "weights.bin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="neither a WFDB record nor a text file"):
        plan_embedding([str(tmp_path / "weights.bin")], encoder_file)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no WFDB record"):
        plan_embedding([str(tmp_path / "empty")], encoder_file)


def test_weights_without_notes_ask_for_what_is_missing(
    wfdb_folder: Path, tmp_path: Path, write_encoder: Callable[..., Path]
):
    bare = tmp_path / "bare.safetensors"
    encoder = create_encoder("vgg16_1d", width=0.0625)
    bare.write_bytes(save_encoder(encoder, "vgg16_1d", {"width": 0.0625}, rate=100.0))
    with pytest.raises(ConfigError, match=r"give --set data\.seconds=VALUE"):
        plan_embedding([str(wfdb_folder)], bare)
    said = ["data.seconds=5", 'data.leads=["V1"]', "data.normalisation='lead'"]
    plan = plan_embedding([str(wfdb_folder)], bare, assignments=said)
    assert (plan.data.seconds, plan.data.leads, plan.data.normalisation) == (5, ("V1",), "lead")


def test_windows_of_a_record_are_rows_with_a_number(wfdb_folder: Path, encoder_file: Path):
    said = ["data.seconds=3", "data.longer='windows'"]
    [batch] = plan_embedding(
        [str(wfdb_folder / "r00"), str(wfdb_folder / "r01")], encoder_file, assignments=said
    ).batches()
    assert batch.windows == (0, 1, 2, 0, 1, 2)
    assert [Path(name).name for name in batch.records] == ["r00"] * 3 + ["r01"] * 3
