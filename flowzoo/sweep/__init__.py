"""Sweeps: search for a model's options by training it many times, through Optuna."""
