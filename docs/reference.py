"""Writes docs/reference.md: every hook and every name of `harness.api`, from the code.

    python docs/reference.py

A test compares the page with what this writes.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harness import api, hookspecs
from harness.plugins import Kind

PAGE = Path(__file__).with_name("reference.md")
INTRODUCTION = """\
# Reference

Every hook, and every name that `harness.api` has, with their arguments. This page is made from
the code (`python docs/reference.py`), and a test compares it. [Writing a plugin](plugins.md) says
what they are for.

A hook is a function of the plugin's module, marked with `harness.api.hookimpl`. It gets `register`,
and calls it once for each thing that it offers:

```text
register(name, target, *, version, summary)
```

`name` is what users write. `target` is `"module:object"`, imported when the thing is first used.
`version` is part of the key under which results are stored: a new one whenever results or defaults
change. `summary` is one line.
"""


def first_line(thing: object) -> str:
    """Of its own docstring, as far as its first sentence goes."""
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "").split("\n\n")[0]
    return " ".join(text.split()).replace("``", "`")


def signature(thing: Any) -> str:
    """Its arguments, as Python has them, without the modules that types are from."""
    try:
        text = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return ""
    text = re.sub(r"\b(?:harness|torch|numpy|collections|pathlib|typing)(?:\.\w+)*\.", "", text)
    return text.replace("'", "").replace("(self, ", "(").replace("(self)", "()")


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """What a class has of its own that is public: methods and properties."""
    for name, value in vars(cls).items():
        if name.startswith("_") or name.startswith("model_"):
            continue
        if inspect.isfunction(value) or isinstance(value, property | cached_property | classmethod):
            yield name, value


def member(name: str, value: Any) -> str:
    if isinstance(value, property | cached_property):
        function = value.fget if isinstance(value, property) else value.func
        abstract = getattr(function, "__isabstractmethod__", False)
        return f"- `{name}`{_must(abstract)}: {first_line(value)}"
    function = value.__func__ if isinstance(value, classmethod) else value
    abstract = getattr(function, "__isabstractmethod__", False)
    shown = signature(function).replace("(cls, ", "(").replace("(cls)", "()")
    return f"- `{name}{shown}`{_must(abstract)}: {first_line(function)}"


def _must(abstract: bool) -> str:
    return " (to be implemented)" if abstract else ""


def entry(name: str) -> str:
    """A name of `harness.api`."""
    thing = getattr(api, name)
    if inspect.isfunction(thing):
        return f"### `{name}{signature(thing)}`\n\n{first_line(thing)}"
    if not inspect.isclass(thing):
        return f"### `{name}`\n\n{_constant(thing)}"
    parts = [f"### `{name}`", first_line(thing)]
    fields = [each.name for each in dataclasses.fields(thing)] if _is_record(thing) else []
    if issubclass(thing, BaseModel):
        fields = list(thing.model_fields)
    if fields:
        parts.append("Fields: " + ", ".join(f"`{each}`" for each in fields) + ".")
    if lines := [member(*each) for each in members(thing)]:
        parts.append("\n".join(lines))
    return "\n\n".join(part for part in parts if part)


def _is_record(cls: type) -> bool:
    return dataclasses.is_dataclass(cls)


def _constant(thing: object) -> str:
    if isinstance(thing, str | int | float | tuple | frozenset):
        return f"`{thing!r}`"
    return first_line(thing) if not isinstance(thing, dict) else "A mapping."


def page() -> str:
    """All of it."""
    hooks = [
        f"### `{name}(register)`\n\n{first_line(hook)}"
        for name, hook in vars(hookspecs).items()
        if name.startswith("register_")
    ]
    assert len(hooks) == len(Kind)
    names = [entry(name) for name in api.__all__]
    return "\n\n".join([INTRODUCTION + "\n## Hooks", *hooks, "## `harness.api`", *names]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
