"""Losses of this package; nothing but torch."""

from lcd_plugin.losses.info_nce_loss import InfoNCELoss
from lcd_plugin.losses.lcd_loss import LCDLoss, LCDTerms
from lcd_plugin.losses.lead_correlation_loss import LeadCorrelationLoss, LeadCorrelationTerms
from lcd_plugin.losses.lead_decorrelation_loss import (
    LeadDecorrelationLoss,
    LeadDecorrelationTerms,
)

__all__ = [
    "InfoNCELoss",
    "LCDLoss",
    "LCDTerms",
    "LeadCorrelationLoss",
    "LeadCorrelationTerms",
    "LeadDecorrelationLoss",
    "LeadDecorrelationTerms",
]
