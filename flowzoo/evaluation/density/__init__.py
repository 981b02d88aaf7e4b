"""The density audit: checks by ``encode`` and ``decode`` alone that a model's figure is that of a density.

    log p(x)  against  log N(encode(x); 0, I) + log |det d encode / d x|

The Jacobian is computed column by column in double precision. Nothing that a component states about its
``log_det`` is used, and no component is trusted to differentiate well: derivatives are compared with finite
differences first.
"""
