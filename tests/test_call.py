import pytest
import torch

from flowzoo.call import EVALUATION, Call, Ledger, per_image_generators

LIKE = torch.empty(4, 2, 3, 3, dtype=torch.float64)
DRAWS = ["normal", "uniform", "rademacher"]


@pytest.mark.parametrize("draw", DRAWS)
def test_draws_are_like_the_tensor_given(draw: str) -> None:
    for dtype in (torch.float32, torch.float64):
        found = getattr(EVALUATION, draw)(LIKE.to(dtype))

        assert found.shape == LIKE.shape
        assert found.dtype == dtype


@pytest.mark.parametrize("draw", DRAWS)
def test_without_a_generator_every_draw_is_the_same(draw: str) -> None:
    assert torch.equal(getattr(Call(), draw)(LIKE), getattr(Call(), draw)(LIKE))


@pytest.mark.parametrize("draw", DRAWS)
def test_one_generator_goes_on_from_draw_to_draw(draw: str) -> None:
    call = Call(generator=torch.Generator().manual_seed(1))
    first, second = getattr(call, draw)(LIKE), getattr(call, draw)(LIKE)
    again = Call(generator=torch.Generator().manual_seed(1))

    assert not torch.equal(first, second)
    assert torch.equal(getattr(again, draw)(LIKE), first)


@pytest.mark.parametrize("draw", DRAWS)
def test_draws_of_an_image_do_not_depend_on_its_batch(draw: str) -> None:
    whole = getattr(Call(generator=per_image_generators(3, [5, 6, 7, 8])), draw)(LIKE)
    other = getattr(Call(generator=per_image_generators(3, [8, 5])), draw)(LIKE[:2])

    assert torch.equal(other, whole[[3, 0]])


def test_as_many_generators_as_images_are_needed() -> None:
    with pytest.raises(AssertionError, match="one generator for each image"):
        Call(generator=per_image_generators(0, range(3))).normal(LIKE)


@pytest.mark.parametrize("draw", DRAWS)
def test_global_random_state_is_left_alone(draw: str) -> None:
    before = torch.get_rng_state()

    getattr(EVALUATION, draw)(LIKE)
    getattr(Call(generator=per_image_generators(0, range(4))), draw)(LIKE)

    assert torch.equal(torch.get_rng_state(), before)


def test_moments_of_the_draws() -> None:
    like = torch.empty(1, 1, 300, 300, dtype=torch.float64)
    normal, uniform, signs = EVALUATION.normal(like), EVALUATION.uniform(like), EVALUATION.rademacher(like)

    for draws, mean, variance in ((normal, 0.0, 1.0), (uniform, 0.5, 1 / 12), (signs, 0.0, 1.0)):
        assert draws.mean().item() == pytest.approx(mean, abs=5 * (variance / 90_000) ** 0.5)
        assert draws.var().item() == pytest.approx(variance, abs=0.03)
    assert set(signs.flatten().tolist()) == {-1.0, 1.0}


def test_neighbouring_seeds_and_indices_give_unrelated_streams() -> None:
    like = torch.empty(200, 1, 1, 50, dtype=torch.float64)
    rows = Call(generator=per_image_generators(0, range(200))).normal(like).flatten(1)
    others = Call(generator=per_image_generators(1, range(200))).normal(like).flatten(1)

    correlations = torch.corrcoef(torch.cat([rows, others])).fill_diagonal_(0.0)

    assert correlations.abs().max().item() < 6 / 50**0.5


def test_ledger_adds_up_what_is_reported() -> None:
    ledger = Ledger()
    call = Call(ledger=ledger)

    call.penalise("kinetic", torch.ones(2))
    call.penalise("kinetic", torch.tensor([1.0, 2.0]))
    call.count("evaluations", 3)
    call.count("evaluations", 4)
    call.note("trace", "exact")
    call.note("trace", "exact")
    call.want_more()

    assert ledger.penalties["kinetic"].tolist() == [2.0, 3.0]
    assert ledger.counts == {"evaluations": 7}
    assert ledger.notes == {"trace": {"exact"}}
    assert ledger.wants_more


def test_absorbing_a_ledger_reports_it_again() -> None:
    outer, ledger = Call(mode="train", ledger=Ledger()), Ledger()
    inner, collected = outer.collecting()
    inner.penalise("kinetic", torch.ones(2))
    inner.count("evaluations", 3)
    inner.note("trace", "exact")
    inner.want_more()
    assert outer.ledger == ledger
    assert inner.training

    outer.absorb(collected)

    assert outer.ledger is not None
    assert outer.ledger.penalties["kinetic"].tolist() == [1.0, 1.0]
    assert outer.ledger.counts == {"evaluations": 3}
    assert outer.ledger.notes == {"trace": {"exact"}}
    assert outer.ledger.wants_more


def test_without_a_ledger_reports_are_dropped() -> None:
    EVALUATION.penalise("kinetic", torch.ones(2))
    EVALUATION.count("evaluations", 3)
    EVALUATION.note("trace", "exact")
    EVALUATION.want_more()

    assert EVALUATION.ledger is None
