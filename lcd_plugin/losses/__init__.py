"""Losses of this package; nothing but torch."""

from lcd_plugin.losses.lcd_loss import LCDLoss, LCDTerms

__all__ = ["LCDLoss", "LCDTerms"]
