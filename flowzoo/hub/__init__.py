"""Models on the Hugging Face hub: their names, and downloads into the hub's cache."""
