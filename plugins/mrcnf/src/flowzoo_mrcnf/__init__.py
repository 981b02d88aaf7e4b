"""MRCNF, the multi-resolution continuous normalising flow, for flowzoo."""
