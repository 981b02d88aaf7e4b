"""Sharing of trained models: the card that describes one, and the upload to the Hugging Face hub."""
