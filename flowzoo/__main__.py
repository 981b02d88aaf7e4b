"""Runs the command line: ``python -m flowzoo``."""

from flowzoo.cli.app import main

main()
