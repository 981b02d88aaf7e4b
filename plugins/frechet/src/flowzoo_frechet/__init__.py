"""The metric ``frechet`` for flowzoo: how far samples are from test images, as a network sees them."""
