"""Which of PyTorch's operations are affine in what depends on the image, and how large they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

_aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Product:
    """A sum of products: arguments ``terms`` are added to what the others multiply to.

    Attributes:
        data: the arguments of which one may depend on the image.
    """

    data: tuple[int, ...]
    factors: tuple[int, ...]
    terms: tuple[int, ...] = ()


_PRODUCTS: Mapping[Any, Product] = {
    _aten.convolution.default: Product((0,), (1,), (2,)),
    _aten.addmm.default: Product((1, 2), (1, 2), (0,)),
    _aten.mm.default: Product((0, 1), (0, 1)),
    _aten.bmm.default: Product((0, 1), (0, 1)),
    _aten.mul.Tensor: Product((0, 1), (0, 1)),
    _aten.div.Tensor: Product((0,), (1,)),
    _aten.addcmul.default: Product((1, 2), (1, 2), (0,)),
    _aten.constant_pad_nd.default: Product((0,), (), (2,)),
    _aten.neg.default: Product((0,), ()),
}
_SUMS = (_aten.add.Tensor, _aten.sub.Tensor)
_NORMS = (
    _aten.native_batch_norm.default,
    _aten._native_batch_norm_legit_no_training.default,
    _aten.cudnn_batch_norm.default,
)
_COPIES = (_aten._to_copy.default, _aten.detach.default, _aten.alias.default)
_PLAIN = {
    _aten.adaptive_avg_pool2d.default,
    _aten._adaptive_avg_pool2d.default,
    _aten.avg_pool2d.default,
    _aten.avg_pool3d.default,
    _aten.cat.default,
    _aten.clone.default,
    _aten.expand.default,
    _aten.flip.default,
    _aten.mean.dim,
    _aten.permute.default,
    _aten.pixel_shuffle.default,
    _aten.pixel_unshuffle.default,
    _aten.select.int,
    _aten.slice.Tensor,
    _aten.split.Tensor,
    _aten.split_with_sizes.default,
    _aten.squeeze.dim,
    _aten.squeeze.dims,
    _aten.stack.default,
    _aten.sum.dim_IntList,
    _aten.t.default,
    _aten.transpose.int,
    _aten.unsqueeze.default,
    _aten.view.default,
    _aten._unsafe_view.default,
}
"""Coefficients of 0 and more, and no constant."""

Map = Callable[..., Tensor]


def affine(node: fx.Node, known: Mapping[str, Any], index: int | None) -> tuple[Map, Map] | None:
    """The map of what is not ``known`` to the node's value, and its magnitude; None: not affine.

    Args:
        index: which of several values is meant.
    """
    target, args = node.target, node.args
    inputs = [each.name for each in node.all_input_nodes if each.name not in known]
    if target in _COPIES:
        return _same, _same
    if target in _NORMS:
        return _batch_norm(node, known) if index == 0 else None
    if target in _PLAIN:
        plain = _call(node, target, args, inputs, known, index)
        return plain, plain
    if target in _SUMS:
        alpha = {"alpha": abs(node.kwargs.get("alpha", 1))}
        bare = tuple(each if _depends(each, inputs) else _nothing(each, known) for each in args)
        return (
            _call(node, target, args, inputs, known, None),
            _call(node, _aten.add.Tensor, bare, inputs, known, None, alpha),
        )
    if (product := _PRODUCTS.get(target)) is None:
        return None
    free = [place for place, each in enumerate(args) if _depends(each, inputs)]
    if len(free) != 1 or free[0] not in product.data:
        return None
    sizes = {place: _absolute(args[place], known) for place in product.factors if place not in free}
    sizes |= {place: _nothing(args[place], known) for place in product.terms if place < len(args)}
    bare = tuple(sizes.get(place, each) for place, each in enumerate(args))
    target_of = _same if target is _aten.neg.default else target
    return (
        _call(node, target, args, inputs, known, None),
        _call(node, target_of, bare, inputs, known, None),
    )


def value_of(argument: Any, values: Mapping[str, Any]) -> Any:
    """An argument of a node, with the values of the nodes in it."""
    return fx.node.map_arg(argument, lambda each: values[each.name])


def _same(value: Tensor) -> Tensor:
    return value


def _call(
    node: fx.Node, target: Any, args: tuple[Any, ...], inputs: list[str],
    known: Mapping[str, Any], index: int | None, kwargs: Mapping[str, Any] | None = None,
) -> Map:  # fmt: skip
    given = node.kwargs if kwargs is None else kwargs

    def run(*values: Tensor) -> Tensor:
        found = {**known, **dict(zip(inputs, values, strict=True))}
        result = target(*value_of(args, found), **value_of(given, found))
        return result if index is None else result[index]

    return run


def _depends(argument: Any, inputs: list[str]) -> bool:
    return isinstance(argument, fx.Node) and argument.name in inputs


def _absolute(argument: Any, known: Mapping[str, Any]) -> Any:
    return abs(value_of(argument, known))


def _nothing(argument: Any, known: Mapping[str, Any]) -> Any:
    """A summand that adds nothing."""
    value = value_of(argument, known)
    return torch.zeros_like(value) if isinstance(value, Tensor) else None if value is None else 0


def _batch_norm(node: fx.Node, known: Mapping[str, Any]) -> tuple[Map, Map] | None:
    names = ("input", "weight", "bias", "mean", "var")
    given = dict(zip(names, node.args, strict=False))
    if given["input"].name in known:
        return None
    weight, bias, mean, var = (value_of(given[name], known) for name in names[1:])
    epsilon = node.args[-1] if isinstance(node.args[-1], float) else node.args[-2]
    scale = torch.rsqrt(var + epsilon) * (1 if weight is None else weight)
    shift = (0 if bias is None else bias) - mean * scale
    column = (1, -1, 1, 1)
    return (
        lambda values: values * scale.view(column) + shift.view(column),
        lambda values: values * scale.abs().view(column),
    )
