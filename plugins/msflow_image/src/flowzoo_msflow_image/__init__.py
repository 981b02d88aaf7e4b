"""MSFlow-Image for flowzoo: the ``pyramid`` transform and split, and the model ``msflow-image``."""
