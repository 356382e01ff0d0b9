"""Suite to plan to cells to results on disk."""
