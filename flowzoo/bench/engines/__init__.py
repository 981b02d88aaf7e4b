"""Engines: they start a suite's cells on other machines, or on this one through a scheduler."""
