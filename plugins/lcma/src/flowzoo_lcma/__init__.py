"""Splits decided by likelihood contribution, for flowzoo."""
