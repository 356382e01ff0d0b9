"""Encoder files: what is written comes back, what is something else is refused."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from lcd_plugin import load_encoder
from lcd_plugin.encoders import LeadwiseEncoder, create_encoder, save_encoder
from lcd_plugin.errors import DataError

SETTINGS = {"width": 0.05}
NOTES: dict[str, Any] = {
    "rate": 204.8,
    "leads": ["II", "V1"],
    "normalisation": "zscore",
    "größe": 1,
}


@pytest.fixture
def encoder() -> torch.nn.Module:
    made = create_encoder("vgg16_1d", **SETTINGS)
    made(torch.randn(32, 1, 64) * 3 + 1)
    return made.eval()


@pytest.fixture
def file(tmp_path: Path, encoder: torch.nn.Module) -> Path:
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(save_encoder(encoder, "vgg16_1d", SETTINGS, **NOTES))
    return path


@pytest.mark.parametrize("leads", [1, 5])
def test_round_trip_gives_the_same_bits(file: Path, encoder: torch.nn.Module, leads: int) -> None:
    loaded = load_encoder(file)
    signals = torch.randn(4, leads, 64)
    assert torch.equal(loaded(signals), LeadwiseEncoder(encoder).eval()(signals))
    before, after = encoder.state_dict(), loaded.encoder.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_loaded_encoder_is_ready_to_use(file: Path) -> None:
    loaded = load_encoder(str(file))
    assert not any(m.training for m in loaded.modules())
    assert loaded.notes == NOTES


def test_encoder_is_left_as_it_was(encoder: torch.nn.Module) -> None:
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    save_encoder(encoder, "vgg16_1d", SETTINGS)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


def test_equal_encoders_make_equal_files(encoder: torch.nn.Module) -> None:
    one = save_encoder(encoder, "vgg16_1d", SETTINGS, a=1, b=2)
    assert save_encoder(encoder, "vgg16_1d", SETTINGS, b=2, a=1) == one


def test_other_programs_can_read_the_weights(file: Path, encoder: torch.nn.Module) -> None:
    with safe_open(str(file), framework="np") as opened:
        names = set(opened.keys())
    assert names == set(encoder.state_dict())


def test_another_process_reads_the_same_features(file: Path, tmp_path: Path) -> None:
    script = (
        "import sys, torch; from lcd_plugin import load_encoder;"
        "torch.manual_seed(0); x = torch.randn(2, 3, 64);"
        "print(load_encoder(sys.argv[1])(x).double().sum().item())"
    )
    torch.manual_seed(0)
    signals = torch.randn(2, 3, 64)
    expected = load_encoder(file)(signals).double().sum().item()
    said = subprocess.run(
        [sys.executable, "-c", script, str(file)],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    assert float(said.stdout) == pytest.approx(expected, rel=1e-6)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.safetensors"):
        load_encoder(tmp_path / "nothing.safetensors")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load_encoder(tmp_path)


FOREIGN = {
    "no metadata": None,
    "metadata of others": {"format": "pt"},
    "no json": {"lcd": "vgg"},
    "json that is no object": {"lcd": "[1, 2]"},
    "another format": {"lcd": json.dumps({"format": "lcd-encoder-99", "encoder": "vgg16_1d"})},
    "nothing but the format": {"lcd": json.dumps({"format": "lcd-encoder-1"})},
}


@pytest.mark.parametrize("metadata", FOREIGN.values(), ids=FOREIGN)
def test_foreign_safetensors(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(save({"weight": torch.zeros(3)}, metadata=metadata))
    with pytest.raises(DataError, match=r"other\.safetensors"):
        load_encoder(path)


@pytest.mark.parametrize("content", [b"", b"weights", b"\xff" * 200])
def test_not_safetensors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.safetensors"):
        load_encoder(path)


def test_truncated_file(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError):
        load_encoder(file)


@pytest.mark.parametrize("change", ["shape", "missing", "extra"])
def test_weights_that_do_not_fit(file: Path, encoder: torch.nn.Module, change: str) -> None:
    weights = dict(encoder.state_dict())
    first = next(iter(weights))
    if change == "shape":
        weights[first] = torch.zeros(1, 1, 3)
    elif change == "missing":
        del weights[first]
    else:
        weights["unknown"] = torch.zeros(2)
    with safe_open(str(file), framework="pt") as opened:
        header = opened.metadata()
    file.write_bytes(save({k: v.contiguous() for k, v in weights.items()}, metadata=header))
    with pytest.raises(DataError, match="do not fit encoder 'vgg16_1d'"):
        load_encoder(file)


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("of_a_plugin", {}, "Unknown encoder 'of_a_plugin'"),
        ("vgg16_1d", {"widht": 1}, "cannot be made"),
    ],
)
def test_an_encoder_that_is_not_there(
    tmp_path: Path, encoder: torch.nn.Module, name: str, settings: dict[str, Any], says: str
) -> None:
    path = tmp_path / "theirs.safetensors"
    path.write_bytes(save_encoder(encoder, name, settings))
    with pytest.raises(DataError, match=rf"theirs\.safetensors .*'{name}'.*{says}"):
        load_encoder(path)


class Marker:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("write", [pickle.dump, torch.save], ids=["pickle", "torch.save"])
def test_pickles_are_refused_and_not_run(tmp_path: Path, write: Any) -> None:
    trace = tmp_path / "was-run"
    path = tmp_path / "encoder.pt"
    with path.open("wb") as file:
        write({"state": Marker(trace)}, file)
    with pytest.raises(DataError, match="cannot be read as weights"):
        load_encoder(path)
    assert not trace.exists()
