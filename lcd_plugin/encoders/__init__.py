"""1-D encoders, how they read several leads, and how a trained one is kept.

Names are imported at first use: specs in this package must not bring torch with them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lcd_plugin.encoders.factory import create_encoder
    from lcd_plugin.encoders.leadwise import LeadwiseEncoder
    from lcd_plugin.encoders.weights import load_encoder, save_encoder

__all__ = ["LeadwiseEncoder", "create_encoder", "load_encoder", "save_encoder"]

_HOMES = {
    "create_encoder": "lcd_plugin.encoders.factory",
    "LeadwiseEncoder": "lcd_plugin.encoders.leadwise",
    "load_encoder": "lcd_plugin.encoders.weights",
    "save_encoder": "lcd_plugin.encoders.weights",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lcd_plugin.encoders' has no attribute {name!r}")
