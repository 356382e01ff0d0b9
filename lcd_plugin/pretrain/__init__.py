"""The pretraining engine: one host loop for every method."""
