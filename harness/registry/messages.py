"""pydantic's complaints as one line: file, line, field, what is wrong, what to do."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import ConfigError, did_you_mean
from harness.registry.document import Document, Loc

_KINDS = {
    "bool_type": ("must be true or false", "write it without quotes"),
    "dict_type": ("must be a block of fields", "write it as one, or as {field: value}"),
    "float_type": ("must be a number", "write it without quotes, such as 0.5 or 1.0e-3"),
    "int_type": ("must be a whole number", "write it without quotes"),
    "model_type": ("must be a block of fields", "write it as one, or as {field: value}"),
    "string_type": ("must be text", "put it in quotes"),
    "tuple_type": ("must be a list", "write it as [..., ...]"),
}
"""For pydantic's types of error: what is wrong, and what to do."""


def complaint(error: ValidationError, document: Document, model: type[BaseModel]) -> ConfigError:
    """One line for ``error``, which validating ``document`` as ``model`` raised."""
    loc, what, remedy = explained(error, document.data, model)
    return ConfigError(what, where=document.where(loc), hint=remedy)


def explained(
    error: ValidationError, data: Any, model: type[BaseModel]
) -> tuple[tuple[str | int, ...], str, str]:
    """Where in ``data`` the first of the errors is, what is wrong, and what to do."""
    errors = error.errors(include_url=False)
    # A misspelt field is missing too: the spelling is the better news.
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    loc = _existing(first["loc"], data)
    if first["type"] == "missing":
        loc = (*loc, first["loc"][len(loc)])
    what, remedy = _explain(first, loc, model)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return loc, what, remedy + more


def _existing(loc: Loc, data: Any) -> tuple[str | int, ...]:
    """As much of ``loc`` as leads somewhere in ``data``: pydantic adds steps of its own."""
    found: list[str | int] = []
    for step in loc:
        if not isinstance(data, dict | list):
            break
        inner = dict(enumerate(data)) if isinstance(data, list) else data
        if step not in inner:
            break
        found.append(step)
        data = inner[step]
    return tuple(found)


def _explain(error: ErrorDetails, loc: Loc, model: type[BaseModel]) -> tuple[str, str]:
    """What is wrong, and what to do."""
    if error["type"] == "missing":
        return "the field is missing", "add it"
    if error["type"] == "extra_forbidden":
        known = _fields(model, loc[:-1])
        choice = did_you_mean(str(loc[-1]), known, f"known here: {', '.join(known)}")
        return f"unknown field {loc[-1]!r}", choice
    if error["loc"][-1:] == ("[key]",):
        return f"{loc[-1]!r} is not a name", "use letters, digits, . _ + and - only, 200 at most"
    message = error["msg"].removeprefix("Value error, ")
    what, remedy = _KINDS.get(error["type"], (f"{message[0].lower()}{message[1:]}", "correct it"))
    given = error["input"]
    if error["type"] == "literal_error":
        words = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        remedy = did_you_mean(str(given), words, remedy)
    if error["type"] == "value_error" and isinstance(given, dict):
        return what, remedy  # the message names the fields; the block itself says nothing
    shown = repr(given) if isinstance(given, str | int | float | bool | None) else _kind(given)
    return f"{what}, it is {shown}", remedy


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a block of fields"
    return f"a {type(value).__name__}"


def _fields(model: type[BaseModel], loc: Loc) -> list[str]:
    """The fields that a mapping at ``loc`` may have."""
    for step in loc:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if step in fields:
            model = _inner(fields[str(step)].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model within an annotation such as ``dict[Name, ModelEntry]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _inner(inner))), None)
