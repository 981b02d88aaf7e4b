"""Data sets as integer images, split and described, and the batches drawn from them."""
