"""Using what was trained: features of any records, and what a fine-tuned model looks at."""

from lcd_plugin.explain.features import Batch, Embedding, embed, plan_embedding

__all__ = ["Batch", "Embedding", "embed", "plan_embedding"]
