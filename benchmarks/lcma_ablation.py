"""LCMA's ablation: five split policies with the same joint, at equal budget, scoring counted in.

python benchmarks/lcma_ablation.py --out results/lcma

Fashion-MNIST at 16x16, from Debian's package dataset-fashion-mnist or the hub.
"""

from __future__ import annotations

from compare import Comparison, Configuration, main

NETWORK = {"hidden": 16, "blocks": 1}
POLICIES = ("lcma", "channel", "checkerboard", "random", "lcma-high")


def options(split: str) -> dict[str, object]:
    """Return RealNVP with couplings in pairs, so that no pixel is transformed more often than another."""
    return {
        "levels": 3,
        "split": split,
        "joint": {"checkerboard": 2, "channel": 2, "network": NETWORK},
        "last": {"checkerboard": 4, "channel": 0, "network": NETWORK},
    }


COMPARISON = Comparison(
    title="RealNVP with five split policies, the same joint for each",
    configurations=[Configuration(policy, "realnvp", options(policy)) for policy in POLICIES],
    data="fashion-mnist",
    data_options={"size": 16, "root": "/usr/share/datasets/fashion-mnist"},
    training={"learning_rate": 2e-3, "validations": 6},
    steps=1500,
    images=2000,
)

if __name__ == "__main__":
    main(__doc__ or "", COMPARISON)
