"""Square against a plain loop over the same numbers, closed forms and its authors' code."""

from __future__ import annotations

import math

import norm_toy
import pytest
import torch

from harness.api import Slots, Status
from harness.engine.jobs import to_batch
from harness.testing.fakes import attack_all, jobs_for, linear_model, pixel_model
from harness_attacks.square.l2 import eta
from harness_attacks.square.parameters import HALVINGS, SquareL2, SquareLinf

BOTH = [SquareLinf(epsilon=0.05, queries=40), SquareL2(epsilon=0.4, queries=40)]
SIZE = (11, 9)


@pytest.fixture(scope="module")
def wide():
    """A network for images that are not square."""
    torch.manual_seed(2)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), torch.nn.SiLU(), torch.nn.Flatten(), torch.nn.Linear(378, 5)
    )
    network[3].weight.data.mul_(6)
    return pixel_model(network, classes=5, size=SIZE)


@pytest.fixture(scope="module")
def jobs(wide):
    images = torch.rand(16, 3, *SIZE, generator=torch.Generator().manual_seed(7))
    return jobs_for(wide, images, norm_toy.targets(wide, images))


# A plain loop: one image, slices, no masks.


def _uniform(number, most):
    cdf = 0.5 * math.erfc(-float(number) / math.sqrt(2))
    return min(int(cdf * (most + 1)), most)


def _signs(numbers):
    return torch.where(numbers < 0, -1.0, 1.0)


def _area(query, attack):
    position = int(10_000 * max(0, query - 1) / attack.queries)
    return attack.p_init * 0.5 ** len([each for each in HALVINGS if position > each])


def _plain(attack, model, job, most=math.inf):
    """Algorithm 1: the image that a run ends with, and its queries."""
    start, propose, count = _LINF if isinstance(attack, SquareLinf) else _L2
    made = 0
    for run in range(attack.restarts):
        first, each = count(job.image.shape)
        batch = to_batch([job], device=torch.device("cpu"))
        noise = batch.noise(run, (first + attack.queries * each,))[0]
        steps = noise[first:].view(attack.queries, each)
        best, least = None, math.inf
        for query in range(attack.queries):
            if query:
                point = propose(job.image, best, steps[query], _area(query, attack), attack.epsilon)
            else:
                point = start(job.image, noise[:first], attack.epsilon)
            logits = model.predict(point[None])[0]
            made += 1
            value, broken = _loss(logits, job)
            if broken or value < least:
                best, least = point, min(value, least)
            if broken or made == most:
                return best, made
    return best, made


def _loss(logits, job):
    if job.target is not None:
        others = logits[torch.arange(len(logits)) != job.target]
        value = torch.nn.functional.cross_entropy(logits[None], torch.tensor([job.target]))
        return value.item(), bool(logits[job.target] > others.max())
    others = logits[torch.arange(len(logits)) != job.label]
    value = (logits[job.label] - others.max()).item()
    return value, value < 0


def _linf_start(image, numbers, epsilon):
    stripes = _signs(numbers).view(image.shape[0], 1, image.shape[2])
    return (image + epsilon * stripes).clamp(0, 1)


def _linf_propose(image, best, numbers, area, epsilon):
    _, height, width = image.shape
    side = min(max(round(math.sqrt(area * height * width)), 1), height, width)
    top, left = _uniform(numbers[0], height - side), _uniform(numbers[1], width - side)
    delta = torch.zeros_like(image)
    colour = 2 * epsilon * _signs(numbers[2:])
    delta[:, top : top + side, left : left + side] = colour[:, None, None]
    moved = torch.minimum(torch.maximum(best + delta, image - epsilon), image + epsilon)
    return moved.clamp(0, 1)


def _rings(height, width):
    """One rectangle on the other, as drawn with slices."""
    found = torch.zeros(height, width, dtype=torch.float64)
    row, column = height // 2, width // 2
    for k in range(max(height, width) // 2 + 1):
        rows = slice(max(0, row - k), row + k + 1)
        found[rows, max(0, column - k) : column + k + 1] += 1 / (k + 1) ** 2
    return found / found.norm().clamp_min(1e-30)


def _eta(side):
    upper = side // 2
    whole = torch.cat([_rings(upper, side), -_rings(side - upper, side)])
    return (whole / whole.norm()).float()


def _l2_start(image, numbers, epsilon):
    channels, height, width = image.shape
    tile = max(1, min(height, width) // 5)
    down, across = min(5, height // tile), min(5, width // tile)
    delta = torch.zeros_like(image)
    lying, signs = _signs(numbers).view(1 + channels, down * across).split([1, channels])
    top, left = (height - down * tile) // 2, (width - across * tile) // 2
    for place in range(down * across):
        row, column = top + place // across * tile, left + place % across * tile
        square = _eta(tile) if lying[0, place] > 0 else _eta(tile).T
        delta[:, row : row + tile, column : column + tile] = signs[:, place, None, None] * square
    return (image + delta * epsilon / delta.norm()).clamp(0, 1)


def _l2_propose(image, best, numbers, area, epsilon):
    channels, height, width = image.shape
    side = max(3, round(math.sqrt(area * height * width)))
    side = min(side if side % 2 else side + 1, height, width)
    places = [_uniform(numbers[at], (height, width)[at % 2] - side) for at in range(4)]
    first, second = (
        (slice(None), slice(row, row + side), slice(column, column + side))
        for row, column in (places[:2], places[2:])
    )
    new = _eta(side) if numbers[4] >= 0 else _eta(side).T
    nu = best - image
    left = max(0.0, epsilon**2 - nu.norm().item() ** 2)
    union = torch.zeros_like(image)
    union[first] = union[second] = 1
    room = [
        math.sqrt((nu * union)[i].norm().item() ** 2 + left / channels) for i in range(channels)
    ]
    old = nu[first].clone()
    nu[second] = 0
    for i, sign in enumerate(_signs(numbers[5:])):
        mixed = sign * new + old[i] / old[i].norm().clamp_min(1e-30)
        clear = mixed.norm() > 1e-3
        nu[first][i] = (mixed / mixed.norm() if clear else sign * new) * room[i]
    return (image + nu * epsilon / nu.norm()).clamp(0, 1)


def _l2_count(shape):
    tile = max(1, min(shape[1:]) // 5)
    tiles = min(5, shape[1] // tile) * min(5, shape[2] // tile)
    return tiles * (1 + shape[0]), 5 + shape[0]


_LINF = (_linf_start, _linf_propose, lambda shape: (shape[0] * shape[2], 2 + shape[0]))
_L2 = (_l2_start, _l2_propose, _l2_count)


@pytest.mark.parametrize("attack", BOTH, ids=repr)
@pytest.mark.parametrize("restarts", [1, 2])
def test_it_equals_a_plain_loop_over_the_same_numbers(wide, jobs, attack, restarts):
    attack = attack.model_copy(update={"restarts": restarts, "queries": 40 // restarts})
    broken = 0
    for row in attack_all(attack, wide, jobs, batch_size=7):
        expected, made = _plain(attack, wide, row.job)
        assert row.outcome.passes.forwards == made
        assert row.outcome.passes.backwards == 0
        assert (row.candidate - expected).abs().max() <= 3e-5
        broken += row.outcome.status is Status.BROKEN
    assert 0 < broken < len(jobs)


@pytest.mark.parametrize("attack", BOTH, ids=repr)
def test_batch_size_changes_nothing(wide, jobs, attack):
    runs = [attack_all(attack, wide, jobs, batch_size=size) for size in (64, 1, 7)]
    for rows in zip(*runs, strict=True):
        assert len({(row.outcome.status, row.outcome.passes) for row in rows}) == 1
        assert all((row.candidate - rows[0].candidate).abs().max() <= 1e-5 for row in rows)


def test_a_further_run_changes_nothing_before_it(wide, jobs):
    once = attack_all(BOTH[0], wide, jobs)
    twice = attack_all(BOTH[0].model_copy(update={"restarts": 2}), wide, jobs)
    for one, two in zip(once, twice, strict=True):
        if one.outcome.status is Status.BROKEN:
            assert torch.equal(one.candidate, two.candidate)
        else:
            assert two.outcome.passes.forwards > BOTH[0].queries


@pytest.mark.parametrize(("kind", "share"), [(SquareLinf, 0.98), (SquareL2, 0.5)])
def test_on_a_linear_model_the_margin_comes_near_the_closed_form(kind, share):
    """No point of the ball moves w.x by more than epsilon times the dual norm of w.

    In linf squares of one pixel come to it. In l2 none is smaller than three pixels, and weights of
    noise have no such shape.
    """
    weights, bias, images = norm_toy.linear(3, 2, 0.4, 0.6, 0.0, 6)
    bias[0] += 1e3  # nothing in the ball breaks an image: all queries are made
    model = linear_model(weights, bias, size=norm_toy.SIZE)
    attack = kind(epsilon=0.1, queries=1500)
    gap = (weights[0] - weights[1]).double()
    most = 0.1 * torch.linalg.vector_norm(gap, 1 if kind is SquareLinf else 2)
    for row in attack_all(attack, model, jobs_for(model, images, [None] * 6)):
        moved = (row.job.image - row.candidate).double().flatten() @ gap
        assert share <= moved / most <= 1 + 1e-5
        assert row.outcome.passes.forwards == 1500


def test_a_query_more_than_is_needed_is_never_made(wide, jobs):
    huge = SquareLinf(epsilon=0.9, queries=3000)
    rows = attack_all(huge, wide, jobs)
    assert all(row.outcome.status is Status.BROKEN for row in rows)
    assert min(row.outcome.passes.forwards for row in rows) == 1


@pytest.mark.parametrize("side", range(1, 12))
def test_fading_squares(side):
    pattern = eta(side)
    assert (pattern.float() - _eta(side)).abs().max() <= 1e-7
    assert pattern.square().sum() == pytest.approx(1)
    assert (pattern[: side // 2] > 0).all()
    assert (pattern[side // 2 :] < 0).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4), (5, 2), (40, 40)])
@pytest.mark.parametrize("attack", BOTH, ids=repr)
def test_every_size_of_image_stays_in_ball_and_box(size, attack):
    """Black, white and in between: never NaN, never outside, and the whole budget where it fits."""
    torch.manual_seed(0)
    values = 3 * size[0] * size[1]
    model = linear_model(torch.randn(3, values), torch.tensor([9.0, 0.0, 0.0]), size=size)
    images = torch.stack([torch.full((3, *size), level) for level in (0.0, 0.5, 1.0)])
    for row in attack_all(attack, model, jobs_for(model, images, [None] * 3)):
        assert row.outcome.status in (Status.ROBUST, Status.BROKEN)
        assert row.candidate.isfinite().all()
        if row.job.image.mean() == 0.5:
            distance = getattr(row.outcome.norms, attack.norm)
            assert distance == pytest.approx(attack.epsilon, rel=1e-5)


def test_an_unfinished_image_has_its_best_point(wide, jobs):
    attack = BOTH[0]
    slots = Slots(2, wide.shape, 5, torch.device("cpu"), wide.memory_format)
    stepper = attack.stepper(slots)
    stepper.load(torch.arange(2), to_batch(jobs[:2], device=torch.device("cpu")))
    for _ in range(9):
        stepper.observe(wide.predict(stepper.point().images))
    assert not stepper.finished.any()
    found = stepper.result(torch.arange(2)).images
    for image, job in zip(found, jobs, strict=False):
        expected, _ = _plain(attack, wide, job, most=9)
        assert (image - expected).abs().max() <= 1e-6


@pytest.mark.parametrize("attack", [SquareLinf(epsilon=0.02), SquareL2(epsilon=0.16)], ids=repr)
def test_it_breaks_as_many_as_the_authors_code(attack):
    """AutoAttack's Square draws one place for all images, so image by image they differ."""
    square = pytest.importorskip("pyautoattack.square")
    torch.manual_seed(2)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), torch.nn.SiLU(), torch.nn.Flatten(), torch.nn.Linear(384, 5)
    )
    network[3].weight.data.mul_(6)
    model = pixel_model(network, classes=5, size=(10, 10))
    images = torch.rand(64, 3, 10, 10, generator=torch.Generator().manual_seed(7))
    jobs = jobs_for(model, images, [None] * 64)
    attack = attack.model_copy(update={"queries": 300})
    ours = sum(row.outcome.status is Status.BROKEN for row in attack_all(attack, model, jobs))
    labels = torch.tensor([job.label for job in jobs])
    norm = str(attack.norm).capitalize()
    peer = square.SquareAttack(network, norm=norm, n_queries=300, eps=attack.epsilon)
    theirs = int((model.predict(peer.perturb(images, labels)).argmax(1) != labels).sum())
    assert 0 < theirs < 64
    assert abs(ours - theirs) <= 1
