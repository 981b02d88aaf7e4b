"""PNF, progressive normalising flows, for flowzoo."""
