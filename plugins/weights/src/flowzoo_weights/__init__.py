"""Small trained models, in the folder ``pretrained``."""
