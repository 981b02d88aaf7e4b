"""Lossless compression by a model's density: local bits-back coding on a stack of bits."""
