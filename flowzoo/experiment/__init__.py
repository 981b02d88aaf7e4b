"""The record of a training: parsed once, and used by commands, runs, suites and results."""
