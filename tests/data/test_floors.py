"""Gaussians fitted in closed form reach the known floors: levels, splits and scale are as they should be.

The floors are means over 64 draws of the noise, computed from scikit-learn's arrays by NumPy and SciPy
alone; one draw strays from them by 0.003 (in pixels) to 0.007 (logit 1e-5).
"""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from scipy.stats import multivariate_normal

from flowzoo.call import Call
from flowzoo.data.digits import build_digits
from flowzoo.dequantisation import dequantise

DRAWS = 4


@pytest.mark.parametrize(("alpha", "floor"), [(None, 2.955), (0.05, 2.441), (1e-3, 2.262), (1e-5, 2.305)])
def test_a_full_covariance_gaussian_reaches_its_floor(alpha, floor):
    dataset = build_digits()
    bits = [_gaussian_bits(dataset, alpha, seed) for seed in range(DRAWS)]
    assert np.mean(bits) == pytest.approx(floor, abs=0.01)


def _gaussian_bits(dataset, alpha, seed):
    call = Call(generator=torch.Generator().manual_seed(seed))
    train, _ = _model_space(dataset, ("train", "validation"), alpha, call)
    test, log_det = _model_space(dataset, ("test",), alpha, call)
    gaussian = multivariate_normal(train.mean(0), np.cov(train.T, bias=True))
    nats = -(gaussian.logpdf(test) + log_det)
    return nats.mean() / (np.prod(dataset.info.shape) * np.log(2)) + np.log2(dataset.info.bins)


def _model_space(dataset, splits, alpha, call):
    sources = [dataset.split(name) for name in splits]
    images = torch.cat([source.take(range(len(source))) for source in sources])
    x = dequantise(images, dataset.info.bins, call).flatten(1).numpy()
    if alpha is None:
        return x, np.zeros(len(x))
    y = logit(alpha + (1 - 2 * alpha) * x)
    slope = (1 - 2 * alpha) / (expit(y) * expit(-y))
    return y, np.log(slope).sum(1)
