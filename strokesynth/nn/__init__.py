"""The networks: their layers, the drawing of samples from them, and their weights on disk."""
