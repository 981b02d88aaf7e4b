"""Suites to results to reports: what is measured, how it is run, and how it is shown."""
