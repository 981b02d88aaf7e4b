"""Logs of a training beside the run folder's own: a CSV file, TensorBoard, Weights & Biases."""
