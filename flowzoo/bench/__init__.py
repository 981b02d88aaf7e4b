"""Benchmarks: suites that say what to measure, a runner, and reports of the results."""
