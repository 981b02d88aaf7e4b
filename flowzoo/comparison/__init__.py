"""Trained runs side by side: settings that differ, validation curves, and differences paired by image."""
