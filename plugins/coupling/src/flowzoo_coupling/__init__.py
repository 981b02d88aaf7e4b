"""Coupling flows for flowzoo: RealNVP, Glow, the networks inside their couplings, and their splits."""
