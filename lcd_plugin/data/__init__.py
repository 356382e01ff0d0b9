"""From records to a prepared store and its splits; knows nothing of training."""
