"""What a training is asked to do: one record, parsed once, that commands, runs, suites and results hold."""
