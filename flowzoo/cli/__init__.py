"""The command line: one file per command. None of them imports torch before it has to."""
