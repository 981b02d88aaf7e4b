"""Training: data, a model and a budget to a run folder."""
