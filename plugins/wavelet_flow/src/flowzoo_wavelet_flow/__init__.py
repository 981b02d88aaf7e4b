"""Wavelet Flow for flowzoo: the model ``wavelet-flow``, the bijector ``crops`` and annealed sampling."""
