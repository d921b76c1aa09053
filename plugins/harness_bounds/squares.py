"""Local response norm among a graph's operations: a value times a power of sums of its squares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx

from harness_bounds.affine import Map, affine
from harness_bounds.steps import Affine, Response

_aten = torch.ops.aten
_POWERS: Mapping[Any, Callable[..., float]] = {
    _aten.pow.Tensor_Scalar: float,
    _aten.reciprocal.default: lambda: -1.0,
    _aten.rsqrt.default: lambda: -0.5,
    _aten.sqrt.default: lambda: 0.5,
}
"""The exponent, by what follows the base."""


class Responses:
    """Those of a graph, whose nodes are shown to `step` in order.

    Args:
        known: what does not depend on the image; it grows with the graph.
    """

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known
        self._sums: dict[str, Affine] = {}
        self._powers: dict[str, tuple[Affine, float]] = {}
        self._products: dict[str, tuple[str, Affine, float]] = {}

    def step(self, node: fx.Node) -> Response | None:
        """``node`` as a response norm; None: it is none, but it may be a part of one."""
        self._summed(node)
        self._raised(node)
        self._multiplied(node)
        if node.name not in self._products:
            return None
        value, found, power = self._products[node.name]
        shape = _shape(node)

        def expanded(size: Tensor) -> Tensor:
            return size.expand(shape)

        sums = _then(found, found.name, expanded, expanded)
        if power >= 0 or not _positive(sums, shape):
            return None
        return Response(node.name, (value,), sums, power)

    def _summed(self, node: fx.Node) -> None:
        """Squares, and what is affine in squares of one value."""
        free = {each.name for each in node.all_input_nodes if each.name not in self._known}
        if len(free) != 1:
            return
        (name,) = free
        if _is_square(node):
            self._sums[node.name] = Affine(node.name, (name,), _same, _same)
        elif name in self._sums and (found := affine(node, self._known, None)) is not None:
            self._sums[node.name] = _then(self._sums[name], node.name, *found)

    def _raised(self, node: fx.Node) -> None:
        if (power := _POWERS.get(node.target)) is None:
            return
        base, rest = node.args[0].name, node.args[1:]
        if base in self._powers:
            sums, before = self._powers[base]
            self._powers[node.name] = sums, before * power(*rest)
        elif base in self._sums:
            self._powers[node.name] = self._sums[base], power(*rest)

    def _multiplied(self, node: fx.Node) -> None:
        if node.target not in (_aten.mul.Tensor, _aten.div.Tensor):
            return
        sign, pairs = 1, [node.args, node.args[::-1]]
        if node.target is _aten.div.Tensor:
            sign, pairs = -1, [node.args]
        for value, factor in pairs:
            found = self._powers.get(getattr(factor, "name", ""))
            if found is None or not isinstance(value, fx.Node):
                continue
            sums, power = found
            origin, same, before = self._products.get(value.name, (value.name, sums, 0.0))
            if (origin,) == sums.inputs and same is sums and _shape(value) == _shape(node):
                self._products[node.name] = origin, sums, before + sign * power


def _shape(node: fx.Node) -> torch.Size | None:
    value = node.meta.get("val")
    return None if value is None else value.shape


def _is_square(node: fx.Node) -> bool:
    first, second = node.args[:2] if len(node.args) > 1 else (None, None)
    if node.target is _aten.pow.Tensor_Scalar:
        return second == 2
    return node.target is _aten.mul.Tensor and first is second


def _positive(sums: Affine, shape: torch.Size) -> bool:
    """Whether it is above 0 everywhere, and grows with every square."""
    nothing = torch.zeros(shape, dtype=torch.float64)
    least, pull = torch.func.vjp(sums.of, nothing)
    _, pull_size = torch.func.vjp(sums.magnitude, nothing)
    ones = torch.ones_like(least)
    same = torch.equal(pull(ones)[0], pull_size(ones)[0])
    return bool((least > 0).all()) and same


def _same(value: Tensor) -> Tensor:
    return value


def _then(before: Affine, name: str, of: Map, magnitude: Map) -> Affine:
    return Affine(
        name,
        before.inputs,
        lambda value: of(before.of(value)),
        lambda value: magnitude(before.magnitude(value)),
    )
