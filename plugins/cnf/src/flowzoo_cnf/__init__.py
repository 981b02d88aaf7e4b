"""Continuous normalising flows for flowzoo: the ``cnf`` bijector, and the models ``ffjord`` and ``rnode``."""
