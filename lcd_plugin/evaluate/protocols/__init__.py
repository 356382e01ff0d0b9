"""How encoders are scored: one file a protocol."""

from __future__ import annotations

from lcd_plugin.evaluate.protocols import (
    attentive,
    finetune,
    finetune_paper,
    knn,
    linear,
    linear_paper,
)
from lcd_plugin.evaluate.protocols.base import Protocol

PROTOCOLS: dict[str, Protocol] = {
    module.PROTOCOL.name: module.PROTOCOL
    for module in (linear, linear_paper, attentive, knn, finetune, finetune_paper)
}
