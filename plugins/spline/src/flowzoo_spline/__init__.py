"""Neural spline flows for flowzoo: the ``spline`` bijector, a stack of rational-quadratic couplings."""
