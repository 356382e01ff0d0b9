from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lcd_plugin.encoders import create_encoder, save_encoder

TRAINED = {"method": "lcd", "rate": 100.0, "seconds": 10.0, "normalisation": "physical"}
PAPER_LEADS = ["II", "III", "V1", "V2", "V3", "V4", "V5", "V6"]


@pytest.fixture
def write_encoder(tmp_path: Path) -> Callable[..., Path]:
    """Write the file of a small encoder, with the notes of a run."""

    def write(name: str = "encoder", in_leads: int = 1, **notes: object) -> Path:
        torch.manual_seed(0)
        settings = {"width": 0.0625} | ({"in_leads": in_leads} if in_leads > 1 else {})
        encoder = create_encoder("vgg16_1d", **settings)
        path = tmp_path / f"{name}.safetensors"
        noted = TRAINED | {"leads": PAPER_LEADS} | notes
        path.write_bytes(save_encoder(encoder, "vgg16_1d", settings, **noted))
        return path

    return write


@pytest.fixture
def encoder_file(write_encoder: Callable[..., Path]) -> Path:
    return write_encoder()
