"""Levels that train apart: each in a process of its own, joined into one model at the end."""
