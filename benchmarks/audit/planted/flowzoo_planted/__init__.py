"""Couplings with classic mistakes planted in them, to see whether a suite finds them out."""
