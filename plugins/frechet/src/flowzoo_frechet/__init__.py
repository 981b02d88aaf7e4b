"""The metric ``frechet`` for flowzoo: the distance of samples from test images, in a network's features."""
