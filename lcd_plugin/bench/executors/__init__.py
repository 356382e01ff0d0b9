"""Who computes the cells of a run: this process, workers on this machine, or a Ray cluster."""
