"""Self-supervised learning on electrocardiograms for the Lightly SSL library.

`import lcd_plugin` loads no torch: each name below is imported at its first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lcd_plugin.encoders import create_encoder, load_encoder
    from lcd_plugin.losses import LCDLoss, LCDTerms, LeadCorrelationLoss, LeadDecorrelationLoss
    from lcd_plugin.views import LCDTransform, MultiLeadViews

__version__ = "0.1.0"

_HOMES = {
    "LCDLoss": "lcd_plugin.losses",
    "LCDTerms": "lcd_plugin.losses",
    "LeadCorrelationLoss": "lcd_plugin.losses",
    "LeadDecorrelationLoss": "lcd_plugin.losses",
    "MultiLeadViews": "lcd_plugin.views",
    "LCDTransform": "lcd_plugin.views",
    "create_encoder": "lcd_plugin.encoders",
    "load_encoder": "lcd_plugin.encoders",
}

__all__ = [
    "LCDLoss",
    "LCDTerms",
    "LCDTransform",
    "LeadCorrelationLoss",
    "LeadDecorrelationLoss",
    "MultiLeadViews",
    "__version__",
    "create_encoder",
    "load_encoder",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lcd_plugin' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
