"""Views of multilead signals: batched augmentations, lead choice, lightly's sample-level way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lcd_plugin.views.augment import random_gain, random_resized_crop, time_out
from lcd_plugin.views.leads import draw_leads, take_leads
from lcd_plugin.views.multi_lead import MultiLeadViews

if TYPE_CHECKING:
    from lcd_plugin.views.transform import LCDTransform

__all__ = [
    "LCDTransform",
    "MultiLeadViews",
    "draw_leads",
    "random_gain",
    "random_resized_crop",
    "take_leads",
    "time_out",
]


def __getattr__(name: str) -> Any:
    # Lightly's transforms bring torchvision with them: only who asks for them pays for it.
    if name == "LCDTransform":
        from lcd_plugin.views.transform import LCDTransform

        return LCDTransform
    raise AttributeError(f"module 'lcd_plugin.views' has no attribute {name!r}")
