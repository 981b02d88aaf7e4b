"""Out-of-distribution detection: scores of images, and how well they tell two sets of images apart."""
