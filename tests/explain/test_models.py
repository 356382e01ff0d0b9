"""Fine-tuned models: the benchmark's own training, and a file that holds all that is needed."""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lcd_plugin.data.cohort import SPLITS
from lcd_plugin.data.content import content_hash
from lcd_plugin.data.wfdb_reader import read_wfdb
from lcd_plugin.encoders import load_encoder
from lcd_plugin.errors import ConfigError, DataError
from lcd_plugin.evaluate.label_subsets import label_subset
from lcd_plugin.evaluate.protocols.base import Part, Subset, Work
from lcd_plugin.evaluate.protocols.finetune import PROTOCOL
from lcd_plugin.explain.explanation import probabilities
from lcd_plugin.explain.model_file import FineTuned, load_model, model_bytes
from lcd_plugin.explain.models import LabelledData, Wish, make_models

SET = ("finetune.epochs=3", "finetune.batch_size=2", "precision='fp32'")


def made(wish: Wish) -> tuple[list[FineTuned], LabelledData]:
    models, data, _ = make_models(wish, lambda *_: None, lambda _: None)
    assert data is not None
    return models, data


@pytest.fixture
def wish(wfdb_folder: Path, encoder_file: Path) -> Wish:
    return Wish([encoder_file], f"wfdb={wfdb_folder}", label_fraction=0.5, assignments=SET, seed=3)


def test_a_model_is_that_of_the_benchmarks_own_protocol(wish: Wish):
    [model], data = made(wish)
    store, task = data.store, data.task
    parts = {split: store.labels(task, split) for split in SPLITS}
    read = {split: store.signals[labels.rows] for split, labels in parts.items()}
    train = parts["train"]
    chosen = label_subset(train.targets, 0.5, 3, task.classes)
    work = Work(
        load_encoder(wish.files[0]),
        Part(read["train"], train.targets),
        Part(read["validation"], parts["validation"].targets),
        read["test"],
        task.kind,
        (Subset(chosen, 3),),
        torch.device("cpu"),
        "fp32",
    )
    [expected] = PROTOCOL.predict(work, data.suite.finetune)
    with torch.inference_mode():
        scores = model.model(torch.from_numpy(np.array(read["test"])).float())
    found = scores.softmax(dim=1) if task.kind == "single-label" else scores.sigmoid()
    np.testing.assert_array_equal(found.numpy(), expected.test)
    assert model.header.training["n_labels"] == len(chosen) == 4
    assert model.header.training["epoch"] == expected.chosen["epoch"]


def test_a_saved_model_gives_the_same_probabilities(wish: Wish, tmp_path: Path):
    [model], data = made(wish)
    path = tmp_path / "model.safetensors"
    path.write_bytes(model_bytes(model))
    again = load_model(path)
    assert again.header.data == data.store.manifest.data
    assert again.seen == model.seen
    for row in data.store.rows("test"):
        signal = data.store.signals[row].astype(np.float32)
        assert probabilities(again, signal) == probabilities(model, signal)
    models, _, new = make_models(Wish([path]), lambda *_: None, lambda _: None)
    assert (len(models), new) == (1, [])


def test_a_model_knows_the_recordings_that_it_was_trained_on(wish: Wish, wfdb_folder: Path):
    [model], _ = made(wish)
    hashes = [content_hash(read_wfdb(wfdb_folder / f"r{i:02d}")) for i in range(12)]
    assert model.seen == {"train": set(hashes[:8]), "validation": set(hashes[8:10])}


def test_from_scratch_is_the_same_network_on_the_same_labels(wish: Wish):
    [pretrained, scratch], _ = made(replace(wish, scratch=True))
    assert (pretrained.header.name, scratch.header.name) == ("lcd", "from scratch")
    assert scratch.header.training["pretrained_sha256"] == ""
    assert scratch.header.training["n_labels"] == pretrained.header.training["n_labels"]
    shapes = [
        {name: value.shape for name, value in m.model.state_dict().items()}
        for m in (pretrained, scratch)
    ]
    assert shapes[0] == shapes[1]


def test_a_file_that_was_changed_or_is_no_model_is_refused(
    wish: Wish, tmp_path: Path, encoder_file: Path
):
    [model], _ = made(wish)
    path = tmp_path / "model.safetensors"
    path.write_bytes(model_bytes(model))
    with safe_open(str(path), framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["classifier.bias"] += 1
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(DataError, match="was changed since"):
        load_model(path)
    with pytest.raises(DataError, match="no model file"):
        load_model(encoder_file)
    path.write_bytes(b"\x80\x04nonsense")
    with pytest.raises(DataError, match="cannot be read as weights"):
        load_model(path)


def test_a_model_file_is_no_pickle(wish: Wish):
    [model], _ = made(wish)
    with pytest.raises(ValueError, match=r"opcode|exhausted|unknown"):
        list(pickletools.genops(model_bytes(model)))


def test_an_encoder_alone_asks_for_a_dataset(encoder_file: Path):
    with pytest.raises(ConfigError, match="give --data NAME"):
        make_models(Wish([encoder_file]), lambda *_: None, lambda _: None)


def test_a_model_of_another_task_is_refused(
    wish: Wish, tmp_path: Path, write_encoder: Callable[..., Path]
):
    [model], _ = made(wish)
    path = tmp_path / "model.safetensors"
    path.write_bytes(model_bytes(model))
    with pytest.raises(ConfigError, match="models of one figure have one task"):
        make_models(Wish([path], wish.dataset, task="other"), lambda *_: None, lambda _: None)
