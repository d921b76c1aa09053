"""Hyper-parameters from the signature of another library's class or function, as fields."""

from __future__ import annotations

import ast
import functools
import inspect
import math
import operator
import re
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, Union

from pydantic import Field
from pydantic.fields import FieldInfo

_LETTERS = ("alpha", "beta", "gamma", "delta", "epsilon", "eta", "mu", "rho", "sigma", "tau")
_GREEK = dict(zip("αβγδεημρστ", _LETTERS, strict=True))
_SCALARS = {"bool": bool, "int": int, "float": float, "str": str}
_EMPTY = inspect.Parameter.empty
_COUNTS = re.compile(
    r"steps|iter|restart|pixels|size|classes|queries|batch|sample|nb_|num|^[mn]$|len|repeats",
    re.IGNORECASE,
)
"""Names of whole numbers, where a signature has no types."""


def spelled(name: str) -> str:
    """``name`` in ASCII: ``α_init`` is ``alpha_init``; the margin aimed for is ``kappa``."""
    if name == "confidence":
        return "kappa"
    return "".join(_GREEK.get(letter, letter) for letter in name)


def fields(
    call: Callable[..., Any], left_out: Collection[str], required: Mapping[str, str]
) -> Iterator[tuple[str, str, Any, FieldInfo]]:
    """Each parameter of ``call`` that YAML can spell: the field's name, the library's name, its
    type and the pydantic field. Others keep the library's default.

    Args:
        left_out: those that the adapter gives; ``required``: see `Entry.required`.
    """
    for name, parameter in inspect.signature(call).parameters.items():
        if name in left_out or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        default = _EMPTY if name in required else parameter.default
        kind = _SCALARS[required[name]] if name in required else _kind(parameter)
        if kind is None:
            continue
        if default is _EMPTY:
            yield spelled(name), name, kind, Field(..., description="the library has no default")
        else:
            yield spelled(name), name, kind, Field(default)


def _kind(parameter: inspect.Parameter) -> Any:
    """The type of a parameter; None where YAML cannot spell its values, or nobody knows them."""
    default = parameter.default
    if default is not _EMPTY and not _plain(default):
        return None
    kinds = list(_declared(parameter.annotation))
    if default is not _EMPTY and not kinds:
        kinds = _guessed(parameter.name, default)
    elif default is not _EMPTY and not isinstance(default, tuple):
        kinds.append(type(default))
    if float in kinds:
        kinds = [kind for kind in kinds if kind is not int]
    if any(typing.get_origin(kind) is Literal for kind in kinds):
        kinds = [kind for kind in kinds if kind is not str]
    if all(kind is type(None) for kind in kinds):
        return None
    return functools.reduce(operator.or_, dict.fromkeys(kinds))


def _guessed(name: str, default: Any) -> list[Any]:
    """The types of a parameter without an annotation."""
    if isinstance(default, tuple):
        (kind,) = {type(each) for each in default}
        return [tuple[kind, ...]]
    if type(default) is int and not _COUNTS.search(name):
        return [float]
    return [type(default)]


def _plain(value: Any) -> bool:
    """Whether YAML and JSON can spell ``value``."""
    if isinstance(value, tuple):
        return len({type(each) for each in value}) == 1 and all(map(_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or type(value) in _SCALARS.values()


def _declared(annotation: Any) -> Iterator[Any]:
    """The types of an annotation that YAML can spell; text, as of ``from __future__``, too."""
    if isinstance(annotation, str):
        yield from _written(annotation)
        return
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        for each in typing.get_args(annotation):
            yield from _declared(each)
    elif annotation in (None, type(None)):
        yield type(None)
    elif origin is tuple:
        if {*typing.get_args(annotation)} <= {*_SCALARS.values(), ...}:
            yield annotation
    elif annotation in _SCALARS.values() or origin is Literal:
        yield annotation


def _written(text: str) -> Iterator[Any]:
    try:
        node = ast.parse(text, mode="eval").body
    except SyntaxError:
        return
    yield from _of(node)


def _of(node: ast.expr) -> Iterator[Any]:
    if isinstance(node, ast.BinOp):
        yield from _of(node.left)
        yield from _of(node.right)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _written(node.value)
    elif isinstance(node, ast.Constant) and node.value is None:
        yield type(None)
    elif isinstance(node, ast.Name) and node.id in _SCALARS:
        yield _SCALARS[node.id]
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "tuple":
        inner = [part.strip() for part in ast.unparse(node.slice).strip("()").split(",")]
        if all(part in _SCALARS for part in inner):
            yield tuple[tuple(_SCALARS[part] for part in inner)]  # type: ignore[misc]
