"""MSFlow-Wavelet for flowzoo."""
