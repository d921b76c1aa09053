"""The networks whose distances are known: against brute force, other programs and random search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, LinearConstraint, milp

from harness.api import ConfigError, ModelError, Norm
from harness.testing import truth
from harness.testing.truth import halfspace
from harness.testing.truth.polytope import Polytope

NORMS = ("linf", "l2", "l1", "l0")
GRID = 201
"""Points along one side of the box."""


def sizes(steps, norm):
    if norm == "l0":
        return (np.abs(steps) > 1e-9).sum(-1)
    return np.linalg.norm(steps, {"linf": np.inf, "l2": 2, "l1": 1}[norm], axis=-1)


def in_the_plane(kind, seed):
    """A network of two pixels and three classes."""
    draw = np.random.default_rng(seed)
    shape = (1, 1, 2)
    linear = truth.Linear(draw.normal(size=(3, 2)), draw.normal(size=3) / 4, shape)
    relu = truth.ReLU(
        [
            (3 * draw.normal(size=(5, 2)), draw.normal(size=5)),
            (draw.normal(size=(3, 5)), draw.normal(size=3) / 2),
            (draw.normal(size=(3, 3)), draw.normal(size=3) / 2),
        ],
        shape,
    )
    knots = np.linspace(-1.5, 1.5, 13)
    return {
        "linear": linear,
        "fold": truth.Fold((0.8, 0.6), knots, draw.normal(size=(13, 3)), shape),
        "max-of-affine": truth.MaxOfAffine(
            draw.normal(size=(3, 3, 2)), draw.normal(size=(3, 3)) / 4, shape
        ),
        "relu": relu,
    }[kind]


@pytest.mark.parametrize(
    ("kind", "seeds"), [("linear", 8), ("fold", 8), ("max-of-affine", 8), ("relu", 3)]
)
def test_a_fine_grid_of_the_plane_says_the_same(kind, seeds):
    """No adversarial point of the grid is nearer, and one is nearly as near: within a cell or two
    of it, where the adversarial set is not thinner than the grid."""
    axis = np.linspace(0, 1, GRID)
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    close, known = [], 0
    for seed in range(seeds):
        network = in_the_plane(kind, seed)
        classes = network.logits(points).argmax(1)
        x = np.random.default_rng(seed).random(2)
        label = int(network.logits(x[None]).argmax())
        for norm in ("linf", "l2", "l1"):
            for target in (None, *(each for each in range(3) if each != label)):
                wrong = classes != label if target is None else classes == target
                brute = sizes(points[wrong] - x, norm).min(initial=np.inf)
                found = network.distance(x, label, norm, target)
                assert found <= brute + 1e-9, (seed, norm, target)
                known += np.isfinite(found)
                close.append(found == brute or brute - found < 2.5 / GRID)
    assert known > 8
    assert np.mean(close) > 0.95


def test_l0_in_the_plane():
    """One pixel is enough where a cross through the image meets another class."""
    axis = np.linspace(0, 1, 2001)
    for kind in ("linear", "fold", "max-of-affine", "relu"):
        network, x = in_the_plane(kind, 1), np.array([0.3, 0.55])
        label = int(network.logits(x[None]).argmax())
        cross = np.concatenate(
            (np.stack((axis, np.full(2001, x[1])), 1), np.stack((np.full(2001, x[0]), axis), 1))
        )
        one = bool((network.logits(cross).argmax(1) != label).any())
        assert (network.distance(x, label, "l0") == 1) == one


@pytest.mark.parametrize("norm", NORMS)
def test_closed_forms_are_what_the_programs_find(norm):
    """A half-space alone is solved in closed form, and the same one twice by a program."""
    draw = np.random.default_rng(3)
    solved = 0
    for _ in range(12):
        x, a = draw.random(10).round(1), draw.normal(size=10) * (draw.random(10) > 0.2)
        b = float(a @ x) + draw.uniform(0.1, 1.5) * np.abs(a).sum() / 2
        closed = halfspace.nearest(x, a, b, Norm(norm))
        program = Polytope(np.stack((a, a)), np.array([b, b])).nearest(x, Norm(norm))
        assert closed.distance == pytest.approx(program.distance, abs=1e-7)
        if closed.point is not None:
            solved += 1
            assert a @ closed.point >= b - 1e-9
            assert np.all((closed.point >= 0) & (closed.point <= 1))
            assert sizes(closed.point - x, norm) == pytest.approx(closed.distance)
    assert solved >= 5


def as_one_program(network, x, label, norm, target):
    """One hidden layer as a mixed-integer program: z, sizes, hidden values, and which are on."""
    (first, shift), (last, bias) = network.layers
    pixels, units = len(x), len(shift)
    count = 1 if norm == "linf" else pixels
    width = pixels + count + 2 * units
    z, s = slice(0, pixels), slice(pixels, pixels + count)
    h, on = slice(s.stop, s.stop + units), slice(s.stop + units, width)
    high = np.maximum(first, 0).sum(1) + shift
    low = np.minimum(first, 0).sum(1) + shift

    def rows(number, **parts):
        made = np.zeros((number, width))
        for name, values in parts.items():
            made[:, {"z": z, "s": s, "h": h, "on": on}[name]] = values
        return made

    unit, ones = np.eye(pixels), np.eye(units)
    if norm == "l0":
        moved = [
            LinearConstraint(rows(pixels, z=unit, s=-np.diag(1 - x)), ub=x),
            LinearConstraint(rows(pixels, z=unit, s=np.diag(x)), lb=x),
        ]
    else:
        size = np.ones((pixels, 1)) if norm == "linf" else unit
        moved = [
            LinearConstraint(rows(pixels, z=unit, s=-size), ub=x),
            LinearConstraint(rows(pixels, z=unit, s=size), lb=x),
        ]
    hidden = [
        LinearConstraint(rows(units, z=first, h=-ones), ub=-shift),
        LinearConstraint(rows(units, z=first, h=-ones, on=np.diag(low)), lb=low - shift),
        LinearConstraint(rows(units, h=ones, on=-np.diag(np.maximum(high, 0))), ub=0),
    ]
    best = np.inf
    for winner in range(len(bias)) if target is None else [target]:
        beaten = [label] if target is None else [k for k in range(len(bias)) if k != target]
        if winner == label:
            continue
        wins = rows(len(beaten), h=last[winner] - last[beaten])
        found = milp(
            rows(1, s=1.0)[0],
            integrality=rows(1, s=float(norm == "l0"), on=1.0)[0],
            bounds=Bounds(0, np.where(rows(1, h=1.0)[0] > 0, np.inf, 1)),
            constraints=[
                *moved,
                *hidden,
                LinearConstraint(wins, lb=bias[beaten] - bias[winner]),
            ],
            options={"mip_rel_gap": 0},
        )
        if found.success:
            best = min(best, found.fun)
    return best


@pytest.mark.parametrize("norm", ["linf", "l1", "l0"])
def test_a_mixed_integer_program_of_the_whole_network_says_the_same(norm):
    draw = np.random.default_rng(5)
    network = truth.ReLU(
        [
            (draw.normal(size=(10, 12)), draw.normal(size=10) / 2),
            (draw.normal(size=(3, 10)), draw.normal(size=3)),
        ],
        (3, 2, 2),
    )
    for number in range(3):
        x = draw.random(12)
        label = int(network.logits(x[None]).argmax())
        for target in (None, (label + 1 + number % 2) % 3):
            other = as_one_program(network, x, label, norm, target)
            assert network.distance(x, label, norm, target) == pytest.approx(other, abs=2e-6)


@pytest.mark.parametrize(
    "name", [name for name, network in truth.networks().items() if not network.mask]
)
def test_no_random_image_is_nearer_and_the_nearest_is_on_the_boundary(name):
    network = truth.networks()[name]
    pixels, labels = truth.images()
    draw = np.random.default_rng(0)
    inner = network.module
    with torch.no_grad():
        right = inner(torch.tensor(pixels)).argmax(1).numpy() == labels
    assert right.mean() > 0.75
    for row in np.flatnonzero(right)[: 2 if network.kind != "relu" else 1]:
        x, label = pixels[row].reshape(-1).astype(np.float64), int(labels[row])
        others = [each for each in range(3) if each != label]
        for norm in ("linf", "l2", "l1"):
            nearest = network.nearest(pixels[row], label, norm)
            if norm == "l2" or network.kind != "relu":  # whose programs take long elsewhere
                each = [network.distance(pixels[row], label, norm, target) for target in others]
                assert nearest.distance == pytest.approx(min(each), abs=1e-6)
            logits = network.logits(nearest.point[None])[0]
            assert logits[others].max() == pytest.approx(logits[label], abs=1e-6)
            assert sizes(nearest.point - x, norm) == pytest.approx(nearest.distance, abs=1e-9)
            around = draw.uniform(-1, 1, (3000, len(x)))
            around *= 0.999 * nearest.distance / sizes(around, norm)[:, None]
            inside = np.clip(x + around, 0, 1)
            assert np.all(network.logits(inside).argmax(1) == label)


@pytest.mark.parametrize("name", list(truth.networks()))
def test_the_module_decides_as_the_distances_do(name):
    network = truth.networks()[name]
    draw = np.random.default_rng(1)
    pixels = draw.random((500, 48)).astype(np.float32)
    logits = network.logits(pixels.astype(np.float64))
    with torch.no_grad():
        module = network.classifier().module(torch.tensor(pixels).reshape(-1, 3, 4, 4))
    gaps = np.sort(logits, 1)
    clear = gaps[:, -1] - gaps[:, -2] > 1e-4
    assert clear.mean() > 0.95
    assert np.array_equal(module.argmax(1).numpy()[clear], logits.argmax(1)[clear])
    if not network.mask:
        np.testing.assert_allclose(module.numpy(), logits, atol=2e-5)


def test_masks_hide_the_gradient():
    pixels, labels = truth.images()
    shown = torch.tensor(pixels).requires_grad_(True)
    zero = {}
    for network in truth.networks().values():
        if not network.mask:
            continue
        logits = network.module(shown)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels), reduction="sum")
        (gradient,) = torch.autograd.grad(loss, shown)
        zero[network.mask] = float((gradient.flatten(1).abs().amax(1) == 0).float().mean())
    assert zero["staircase"] == 1.0
    assert zero["saturated"] > 0.9
    assert zero["wavy"] < 0.1


def test_files_hold_all_of_a_network(tmp_path):
    pixels, _ = truth.images()
    for name, network in truth.networks().items():
        truth.save(network, tmp_path / name)
        again = truth.read(tmp_path / name)
        truth.save(again, tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == (tmp_path / name).read_bytes()
        flat = pixels.reshape(len(pixels), -1).astype(np.float64)
        assert np.array_equal(again.logits(flat), network.logits(flat))
        assert (again.kind, again.mask) == (network.kind, network.mask)
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(ModelError, match="holds no network of known distances"):
        truth.read(tmp_path / "other")


def test_what_is_no_image_of_a_network_is_refused():
    network = truth.networks()["linear"]
    image = truth.images()[0][0]
    with pytest.raises(ConfigError, match="48 values in"):
        network.distance(image[:1], 0, "l2")
    with pytest.raises(ConfigError, match="48 values in"):
        network.distance(image + 1, 0, "l2")
    with pytest.raises(ConfigError, match="no class 3"):
        network.distance(image, 0, "l2", target=3)
    with pytest.raises(ConfigError, match="no mask 'wave'; did you mean 'wavy'"):
        truth.Masked(network, "wave")


def test_an_adversarial_image_has_distance_0_and_an_unreachable_class_none():
    network = truth.Linear([[1.0, 0.0], [0.0, 0.0]], [5.0, 0.0], (1, 1, 2))
    assert network.distance([0.5, 0.5], 1, "l2") == 0
    for norm in NORMS:
        assert network.distance([0.5, 0.5], 0, norm) == np.inf
