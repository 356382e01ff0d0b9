"""Encoder files, models and checkpoints of strangers: used, or refused in one sentence."""

from __future__ import annotations

import json
import os
import pickle
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mutations import damaged, fuzz, mutated
from safetensors.torch import save
from torch import nn

from lcd_plugin.encoders import RecordEncoder, create_encoder, load_encoder, save_encoder
from lcd_plugin.errors import DataError
from lcd_plugin.explain.model_file import load_model
from lcd_plugin.pretrain.checkpoint import Checkpoint, Progress, load_checkpoint, save_checkpoint

NAMES = ("vgg16_1d", "resnet1d18", "xresnet1d50", "convnext1d", "vit1d_xs", "timm2d")
SETTINGS: dict[str, Any] = {"width": 0.05}
NOTES: dict[str, Any] = {"rate": 100.0, "seconds": 2.5, "leads": ["II"], "method": "lcd"}


@pytest.fixture(scope="module")
def content() -> bytes:
    return save_encoder(create_encoder("vgg16_1d", **SETTINGS), "vgg16_1d", SETTINGS, **NOTES)


def load(path: Path, content: bytes) -> RecordEncoder | None:
    path.write_bytes(content)
    with pytest.raises(DataError):
        load_model(path)
    try:
        return load_encoder(path)
    except DataError as error:
        assert path.name in str(error)  # noqa: PT017 others end well
        return None


@fuzz
@given(data=st.data())
def test_damaged_encoder_files(data: st.DataObject, content: bytes, tmp_path: Path):
    # Half of the time in the header, which is a small part of the file.
    head = 8 + int.from_bytes(content[:8], "little")
    if data.draw(st.booleans()):
        content = data.draw(damaged(content[:head])) + content[head:]
    else:
        content = data.draw(damaged(content))
    loaded = load(tmp_path / "e.safetensors", content)
    assert loaded is None or loaded(torch.zeros(1, 1, 64)).shape == (1, loaded.num_features)


@fuzz
@given(data=st.data())
def test_hostile_metadata(data: st.DataObject, tmp_path: Path):
    header = {
        "format": "lcd-encoder-1",
        "encoder": "vgg16_1d",
        "settings": SETTINGS,
        "notes": NOTES,
    }
    weights = {
        k: v.contiguous() for k, v in create_encoder("vgg16_1d", **SETTINGS).state_dict().items()
    }
    try:
        metadata = {"lcd": json.dumps(data.draw(mutated(header)))}
        content = save(weights, metadata=metadata)
    except (TypeError, ValueError, UnicodeError):
        return
    load(tmp_path / "e.safetensors", content)


HUGE = [
    {"width": 1e9}, {"width": 3000}, {"width": float("nan")}, {"depth": 10**9}, {"depth": 10**5},
    {"depths": [10**9] * 4}, {"depths": [10**5] * 4}, {"in_leads": 10**9}, {"in_leads": 10**5},
    {"in_leads": 10**5, "lead_tokens": True}, {"heads": 10**9}, {"patch": 10**9},
    {"num_classes": 10**10}, {"num_classes": 10**8}, {"height": 10**9}, {"height": 10**5},
    {"model": "vit_base_patch16_224"}, {"model": "test_vit", "depth": 10**9},
    {"model": "test_vit", "embed_dim": 10**9}, {"model": "test_vit", "time": 10**5,
     "height": 10**4},
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_settings_of_a_file_build_nothing_gigantic(name: str, tmp_path: Path):
    small = {} if name == "timm2d" else {"width": 0.25}
    encoder = create_encoder(name, **small)
    path = tmp_path / "e.safetensors"
    path.write_bytes(save_encoder(encoder, name, small))
    assert load_encoder(path).num_features == encoder.num_features
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for settings in HUGE:
        assert load(path, save_encoder(encoder, name, settings)) is None, settings
    # In KiB on Linux.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


class Trace:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("key", ["checkpoint_path", "pretrained_cfg_overlay", "pretrained_cfg"])
def test_an_image_model_reads_no_weights_from_elsewhere(tmp_path: Path, key: str):
    trace = tmp_path / "was-run"
    evil = tmp_path / "evil.pth"
    evil.write_bytes(pickle.dumps({"state_dict": Trace(trace)}))
    value: Any = str(evil) if key == "checkpoint_path" else {"file": str(evil)}
    encoder = create_encoder("timm2d")
    path = tmp_path / "e.safetensors"
    path.write_bytes(save_encoder(encoder, "timm2d", {key: value}))
    if key == "checkpoint_path":
        with pytest.raises(DataError, match="cannot be set"):
            load_encoder(path)
    else:  # left out, as timm passes it to every model
        load_encoder(path)
    assert not trace.exists()


@fuzz
@given(data=st.data())
def test_damaged_checkpoints(data: st.DataObject, tmp_path: Path):
    method = nn.Linear(3, 2)
    optimiser = torch.optim.Adam(method.parameters())
    method(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    progress = Progress(seed=7, history=[], phases={}, timed_steps=1, waited_s=0.0)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, method, optimiser, progress)
    written = path.read_bytes()
    path.write_bytes(data.draw(damaged(written)))
    found: Checkpoint | None = load_checkpoint(path, 7)
    if found is not None:
        # The checksum vouches for tensors, so only what is said beside them may differ.
        found.restore(method, optimiser)


def test_a_checkpoint_that_is_a_pickle_is_not_run(tmp_path: Path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(pickle.dumps(Trace(tmp_path / "was-run")))
    assert load_checkpoint(path, 0) is None
    assert not (tmp_path / "was-run").exists()
