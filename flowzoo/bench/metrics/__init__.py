"""What is measured of a trained model: one metric a file."""
