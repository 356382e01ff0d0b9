"""Scoring encoders: features, protocols, label subsets, metrics and their uncertainty."""
