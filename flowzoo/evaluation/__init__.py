"""Evaluation: a model and images to numbers that say under which conditions they hold."""
