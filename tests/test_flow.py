from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch.nn.functional import avg_pool2d

from flowzoo.bijector import ConditionalBijector, standard_normal_log_prob
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.affine import Affine
from flowzoo.builtin.block_mean import BlockMean
from flowzoo.builtin.gaussian import Gaussian
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_first_channels import KeepFirstChannels
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.builtin.logit import Logit
from flowzoo.call import Call, Ledger, per_image_generators
from flowzoo.data.dataset import ImageSource
from flowzoo.errors import DataError, NumericalError, OptionError, ShapeError
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.registry.models import create_model
from flowzoo.testing import brute_force_log_prob, randomise
from tests.toys import OtherLoss, Wave

SHAPE = (1, 8, 8)


def detail_level(conditional: ConditionalBijector) -> Level:
    return Level(BlockMean(0.5), IdentityBijector(), KeepFirstChannels(), conditional)


def last_level(conditional: ConditionalBijector, joint: ConditionalBijector | None = None) -> Level:
    return Level(IdentityTransform(), joint or IdentityBijector(), KeepNothing(), conditional)


def cascade(pixels: ConditionalBijector | None = None, levels: int = 3) -> Flow:
    """Return a nonlinear cascade whose details depend on the coarse image."""
    stack = [*(detail_level(Wave()) for _ in range(levels - 1)), last_level(Wave())]
    flow = Flow(SHAPE, stack, pixels or Affine()).double()
    randomise(flow, seed=0)
    return flow


def images(count: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_a_density_in_two_dimensions_integrates_to_one() -> None:
    # After a logit the density reaches beyond [0, 1), which log_prob refuses: integrate it part by part.
    alpha, points = 0.05, 500
    flow = Flow((1, 1, 2), [last_level(Wave(), joint=Affine(scale=0.4, shift=0.3))], Logit(alpha)).double()
    margin = alpha / (1 - 2 * alpha)
    low, high = -margin, 1 + margin
    step = (high - low) / points
    axis = low + step * (torch.arange(points, dtype=torch.float64) + 0.5)
    grid = torch.cartesian_prod(axis, axis).reshape(-1, 1, 1, 2)

    y, pixels_log_det = flow.pixels(grid)
    terms = flow.level(0)(y)[2]
    log_prob = pixels_log_det + terms.transform + terms.joint + terms.conditional

    assert log_prob.exp().sum().item() * step**2 == pytest.approx(1.0, abs=1e-4)
    inside = ((grid >= 0) & (grid < 1)).flatten(1).all(1)
    torch.testing.assert_close(flow.log_prob(grid[inside]), log_prob[inside])


@pytest.mark.parametrize("pixels", [Affine(scale=4.0, shift=-2.0), Logit(0.05)])
def test_log_prob_is_that_of_the_whole_jacobian(pixels: ConditionalBijector) -> None:
    flow, x = cascade(pixels), images(2)

    torch.testing.assert_close(flow.log_prob(x), brute_force_log_prob(flow, x))


def test_terms_of_the_levels_and_the_pixels_add_up() -> None:
    flow, x = cascade(Logit(0.05)), images()

    terms = flow.terms(x)

    rows = [terms.pixels, *(term for level in terms.levels for term in level)]
    assert len(terms.levels) == 3
    torch.testing.assert_close(sum(rows), flow.log_prob(x))
    torch.testing.assert_close(terms.pixels, Logit(0.05)(x)[1])


def test_decode_undoes_encode() -> None:
    flow, x = cascade(Logit(0.05)), images()

    latents = flow.encode(x)

    assert [tuple(z.shape[1:]) for z in latents] == [(3, 4, 4), (3, 2, 2), (1, 2, 2)]
    assert flow.latent_shapes == ((3, 4, 4), (3, 2, 2), (1, 2, 2))
    torch.testing.assert_close(flow.decode(latents), x)


def test_downscaling_a_sample_gives_the_coarser_levels_sample() -> None:
    flow = cascade()
    latents = flow.draw_latents(4, call=Call(generator=torch.Generator().manual_seed(0)))

    coarsest = flow.level(2).inverse(None, latents[2])
    middle = flow.level(1).inverse(coarsest, latents[1])
    finest = flow.decode(latents)

    torch.testing.assert_close(avg_pool2d(finest, 2), middle, rtol=0, atol=1e-13)
    torch.testing.assert_close(avg_pool2d(finest, 4), coarsest, rtol=0, atol=1e-13)


def test_a_level_sees_the_image_taken_down_to_it() -> None:
    flow, x = cascade(), images()

    for place, size in enumerate((1, 2, 4)):
        torch.testing.assert_close(flow.level_input(place, x), avg_pool2d(x, size))


def test_losses_of_the_levels_add_up_to_the_negative_log_prob_but_for_the_pixels() -> None:
    flow, x = cascade(Logit(0.05)), images()

    losses = flow.loss(x, Call(mode="train"))

    torch.testing.assert_close(sum(losses), flow.terms(x).pixels - flow.log_prob(x))
    for place, loss in enumerate(losses):
        torch.testing.assert_close(flow.level_loss(place, x, Call(mode="train")), loss)


def test_temperatures_are_listed_coarsest_first() -> None:
    flow = cascade()
    call = Call(generator=torch.Generator().manual_seed(0))

    fine, middle, coarse = flow.draw_latents(200, [0.0, 1.0, 3.0], call)

    assert coarse.abs().max().item() == 0.0
    assert middle.std().item() == pytest.approx(1.0, abs=0.1)
    assert fine.std().item() == pytest.approx(3.0, abs=0.2)


def test_one_temperature_serves_all_levels() -> None:
    flow = cascade()

    assert torch.equal(flow.sample(2, 0.5, seed=1), flow.sample(2, [0.5, 0.5, 0.5], seed=1))
    assert torch.equal(flow.sample(2, 0.0, seed=1), flow.sample(2, 0.0, seed=2))


@pytest.mark.parametrize(
    ("temperature", "message"),
    [
        ([1.0, 1.0], "temperature"),
        (-0.5, "temperature"),
        (float("nan"), "temperature"),
        ("hot", "temperature"),
        ([1.0, float("inf"), 1.0], "temperature"),
    ],
)
def test_other_temperatures_are_refused(temperature: Any, message: str, as_users_run_it: None) -> None:
    with pytest.raises(OptionError, match=message):
        cascade().sample(1, temperature)


def test_samples_repeat_with_their_seed_and_leave_the_global_state_alone() -> None:
    flow = cascade()
    before = torch.get_rng_state()

    assert torch.equal(flow.sample(2, seed=3), flow.sample(2, seed=3))
    assert not torch.equal(flow.sample(2), flow.sample(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_bits_per_dim_is_the_cost_of_the_dequantised_image() -> None:
    flow = Flow((1, 1, 2), [last_level(IdentityBijector())], Affine(), bins=4)
    integers = torch.tensor([[0, 3], [1, 2]], dtype=torch.uint8).reshape(2, 1, 1, 2)

    found = flow.bits_per_dim(integers, Call(generator=per_image_generators(0, range(2))))

    noise = Call(generator=per_image_generators(0, range(2))).uniform(integers.double())
    log_prob = standard_normal_log_prob((integers + noise) / 4)
    torch.testing.assert_close(found, -log_prob / (2 * torch.log(torch.tensor(2.0))) + 2)


def test_log_prob_keeps_the_digits_of_float64_images_up_to_the_pixel_transform() -> None:
    flow = Flow((1, 1, 2), [last_level(IdentityBijector())], Logit(1e-6)).float()
    x = torch.full((1, 1, 1, 2), 1.0 - 2.0**-40, dtype=torch.float64)

    y, log_det = Logit(1e-6)(x)

    assert flow.log_prob(x).item() == pytest.approx((standard_normal_log_prob(y) + log_det).item(), rel=1e-6)


def test_first_pass_takes_one_batch_where_no_more_are_wanted() -> None:
    flow = Flow(SHAPE, [last_level(ActNorm(1))], Affine()).double()
    taken: list[int] = []

    flow.initialise(_batches(taken))

    assert taken == [0]
    latents = flow.encode(images(8, seed=0))[0]
    assert latents.std(correction=0).item() == pytest.approx(1.0)


def test_first_pass_goes_on_while_a_component_wants_more() -> None:
    flow = Flow(SHAPE, [last_level(Gaussian(SHAPE))], Affine()).double()
    taken: list[int] = []

    flow.initialise(_batches(taken))

    assert taken == [0, 1, 2]


def test_first_pass_without_data_is_refused() -> None:
    with pytest.raises(DataError, match="got no images; is the training split empty"):
        cascade().initialise([])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.0, "bits_per_dim"),
        (-0.1, r"images must lie in \[0, 1\), found values in \[-0\.1"),
        (float("nan"), "images hold NaN or infinite values"),
        (float("inf"), "images hold NaN or infinite values"),
    ],
)
def test_values_outside_the_unit_interval_are_refused(value: float, message: str) -> None:
    x = images()
    x[1, 0, 3, 3] = value

    with pytest.raises(DataError, match=message):
        cascade().log_prob(x)


@pytest.mark.usefixtures("as_users_run_it")
def test_integers_are_sent_to_bits_per_dim_and_floats_to_log_prob() -> None:
    with pytest.raises(DataError, match="bits_per_dim"):
        cascade().log_prob(torch.zeros(2, *SHAPE, dtype=torch.uint8))
    with pytest.raises(DataError, match="log_prob"):
        cascade().bits_per_dim(images())


@pytest.mark.usefixtures("as_users_run_it")
@pytest.mark.parametrize("shape", [SHAPE, (2, 3, 8, 8), (2, 1, 8, 4), (2, 64)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"expected images of shape \(B, 1, 8, 8\), got"):
        cascade().log_prob(torch.zeros(shape))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda latents: latents[:-1], ShapeError),
        (lambda latents: latents[::-1], ShapeError),
        (lambda latents: [z * float("inf") for z in latents], NumericalError),
    ],
)
def test_latents_that_cannot_be_decoded_are_refused(
    change: Callable[[list[torch.Tensor]], list[torch.Tensor]], error: type[Exception]
) -> None:
    flow = Flow(SHAPE, [detail_level(IdentityBijector()), last_level(IdentityBijector())], Affine())

    with pytest.raises(
        error, match=r"expected latents, finest level first|not finite for image\(s\) \[0, 1\]"
    ):
        flow.decode(change(flow.draw_latents(2)))


def test_a_log_prob_that_is_not_finite_names_its_images() -> None:
    flow = Flow(SHAPE, [last_level(Affine(scale=1e30))], Affine()).double()
    x = torch.zeros_like(images())
    x[1] = 0.5

    with pytest.raises(NumericalError, match=r"log p\(x\) is not finite for image\(s\) \[1\] of the batch"):
        flow.log_prob(x)


def test_weights_that_are_not_finite_are_named_and_images_are_not_blamed() -> None:
    flow = Flow(SHAPE, [detail_level(Wave()), last_level(Wave(False))], Affine()).double()
    with torch.no_grad():
        next(flow.level(1).parameters()).fill_(float("nan"))

    with pytest.raises(NumericalError, match=r"weights are not: levels\.1\."):
        flow.log_prob(images())


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([], "a flow needs at least one level"),
        (
            [detail_level(IdentityBijector())],
            "keep-nothing",
        ),
        ([last_level(IdentityBijector())] * 2, "level 0 keeps nothing, but 1 more follow it"),
        ([detail_level(IdentityBijector())] * 4 + [last_level(IdentityBijector())], "1x1 is odd"),
    ],
)
def test_levels_that_do_not_fit_are_refused(levels: list[Level], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Flow(SHAPE, levels, Affine())


def test_trainable_parts_before_a_loss_that_is_no_likelihood_are_refused() -> None:
    Flow(SHAPE, [detail_level(Wave()), last_level(OtherLoss())], Affine())
    trainable = Level(BlockMean(0.5), Wave(), KeepFirstChannels(), Wave())
    with pytest.raises(OptionError, match=r"level 1's conditional .* objective=likelihood"):
        Flow(SHAPE, [trainable, last_level(OtherLoss())], Affine())


def test_is_separable_unless_parameters_stand_outside_the_conditionals() -> None:
    trainable = Level(BlockMean(0.5), Wave(), KeepFirstChannels(), Wave())

    assert cascade().separable
    assert not Flow(SHAPE, [trainable, last_level(Wave())], Affine()).separable


def test_takes_dtype_and_device_from_its_levels() -> None:
    flow = Flow(SHAPE, [last_level(IdentityBijector())], Affine())

    assert (flow.dtype, flow.device.type) == (torch.get_default_dtype(), "cpu")
    assert cascade().dtype == torch.float64
    assert Flow(SHAPE, [last_level(Gaussian(SHAPE))], Affine()).double().dtype == torch.float64
    assert flow.dimensions == 64


def test_a_penalty_reaches_the_loss_and_the_ledger_once() -> None:
    x, ledger = images(), Ledger()
    flow = Flow(SHAPE, [detail_level(OtherLoss()), last_level(OtherLoss())], Affine())

    losses = flow.loss(x, Call(mode="train", ledger=ledger))

    fine, coarse = flow.encode(x)
    transform = flow.terms(x).levels[0].transform
    torch.testing.assert_close(
        losses[0].double(), fine.square().flatten(1).sum(1).double() / 4 + 1 - transform
    )
    torch.testing.assert_close(losses[1].double(), coarse.square().flatten(1).sum(1).double() / 4 + 1)
    assert ledger.penalties["toy"].tolist() == [2.0] * 3


def _batches(taken: list[int]) -> Iterator[torch.Tensor]:
    for index in range(3):
        taken.append(index)
        yield images(8, seed=index)


def test_a_trainable_pixel_transform_is_refused() -> None:
    with pytest.raises(OptionError, match="pixel transform"):
        Flow(SHAPE, [last_level(IdentityBijector())], ActNorm(1, trainable=True))


def test_latents_of_different_levels_are_different_noise() -> None:
    fine, coarse, *_ = cascade().draw_latents(2)
    shared = min(fine.numel(), coarse.numel())
    assert not torch.equal(fine.flatten()[:shared], coarse.flatten()[:shared])


def test_a_first_pass_without_images_is_refused_and_changes_nothing() -> None:
    flow = Flow(SHAPE, [last_level(ActNorm(1))], Affine())
    with pytest.raises(DataError, match="got no images"):
        flow.initialise([torch.zeros(0, *SHAPE)])
    flow.initialise([torch.rand(16, *SHAPE)])
    assert flow.log_prob(torch.rand(2, *SHAPE)).isfinite().all()


@pytest.mark.parametrize("n", [0, -1, 2.5])
def test_a_number_of_samples_that_is_none_is_refused(n: int, as_users_run_it: None) -> None:
    with pytest.raises(OptionError, match="how many images"):
        cascade().sample(n)


def test_a_joint_that_would_not_train_as_it_is_told_is_refused() -> None:
    level = Level(IdentityTransform(), OtherLoss(), KeepNothing(), IdentityBijector())

    with pytest.raises(OptionError, match="objective=likelihood"):
        Flow(SHAPE, [level], Affine())


def test_levels_that_share_a_parameter_do_not_train_apart() -> None:
    def level(conditional: ConditionalBijector) -> Level:
        return Level(BlockMean(0.5), IdentityBijector(), KeepFirstChannels(), conditional)

    def flow(first: ActNorm, second: ActNorm) -> Flow:
        last = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), ActNorm(1))
        return Flow((1, 8, 8), [level(first), level(second), last], Affine())

    shared = ActNorm(3)

    assert flow(ActNorm(3), ActNorm(3)).separable
    assert not flow(shared, shared).separable


def test_draws_follow_the_images_indices_as_in_evaluation(as_users_run_it: None) -> None:
    model = create_model(
        "ffjord", SHAPE, seed=0, bijector={"blocks": 1, "network": {"name": "conv-field", "hidden": 4}}
    ).double()
    model.initialise([images(8)])
    randomise(model, seed=0)
    x, integers = images(3), (images(3) * 256).to(torch.uint8)

    together = model.log_prob(x, indices=[4, 9, 2])
    seeded = model.log_prob(x, Call(generator=per_image_generators(0, [4, 9, 2])))

    assert torch.equal(together, seeded)
    assert torch.equal(model(x, indices=torch.tensor([4, 9, 2])), together)
    torch.testing.assert_close(model.log_prob(x[[2, 0]], indices=[2, 4]), together[[2, 0]], rtol=0, atol=1e-2)
    assert not torch.allclose(model.log_prob(x[[2, 0]]), model.log_prob(x)[[2, 0]], rtol=0, atol=1e-2)
    evaluated = evaluate_likelihood(model, Three(integers), audit=False, exact=False)
    alone = [model.bits_per_dim(integers[[place]], indices=[place]) for place in range(3)]
    assert float(torch.cat(alone).detach().mean()) == pytest.approx(evaluated.bits_per_dim, abs=1e-4)


class Three(ImageSource):
    def __init__(self, integers: torch.Tensor) -> None:
        self.integers = integers

    def __len__(self) -> int:
        return 3

    def take(self, indices: Sequence[int]) -> torch.Tensor:
        return self.integers[list(indices)]


def test_indices_that_do_not_fit_are_refused() -> None:
    flow, x = cascade(), images()

    with pytest.raises(OptionError, match="2 indices for 3 images"):
        flow.log_prob(x, indices=range(2))
    with pytest.raises(OptionError, match="either indices"):
        flow.bits_per_dim((x * 256).to(torch.uint8), Call(generator=torch.Generator()), indices=range(3))


def test_a_model_of_a_wider_format_than_its_images_keeps_its_digits() -> None:
    flow = cascade()

    assert flow.log_prob(images().float()).dtype == torch.float64
