"""A file of Python that the user named: run with its folder in reach, and nothing left behind."""

from __future__ import annotations

import ast
import hashlib
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

from harness.api import ModelError
from harness_models.files import cause_of

_PREFIX = "_harness_user_"
"""Of the names that users' files have among the imported modules."""


@contextmanager
def running(path: Path) -> Iterator[Mapping[str, Any]]:
    """What the file defines. While the context lasts, it can import the modules of its folder.

    They are imported anew: files of other folders may have modules of the same names.

    Raises:
        ModelError: it cannot be read or compiled, or it raised.
    """
    path = path.absolute()
    own = {_top(path, each) for each in local_modules(path)}
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in own}
    for name in hidden:
        del sys.modules[name]
    before, folder, writing = set(sys.modules), str(path.parent), sys.dont_write_bytecode
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    try:
        yield _executed(path)
        _tell_unseen(path, before)
    finally:
        sys.dont_write_bytecode = writing
        if folder in sys.path:
            sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if _file_of(name, path.parent) is not None:
                del sys.modules[name]
        sys.modules.update(hidden)


def called(defined: Mapping[str, Any], name: str, options: Mapping[str, Any], path: Path) -> Any:
    """What the callable ``name`` of the file returns for ``options``.

    Raises:
        ModelError: there is none, it takes no such arguments, or it raised.
    """
    import inspect

    target = defined.get(name)
    if not callable(target):
        known = ", ".join(callables(path)) or "none"
        raise ModelError(
            f"defines no function or class {name!r}", where=shown(path), hint=f"it defines {known}"
        )
    try:
        inspect.signature(target).bind(**options)
    except TypeError as error:
        takes = str(inspect.signature(target))
        raise ModelError(
            f"{name}{takes}: {error}",
            where=f"{shown(path)}:{_line_of(target)}",
            hint="give its arguments as options: FILE.py:FUNCTION:name=value",
        ) from error
    except ValueError:  # a builtin without a signature
        pass
    with blamed(path):
        return target(**options)


def callables(path: Path) -> list[str]:
    """The public functions and classes that the file defines, without running it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = [each.name for each in tree.body if isinstance(each, kinds)]
    return [name for name in names if not name.startswith("_")]


def local_modules(path: Path) -> tuple[Path, ...]:
    """The modules of its own folder that the file imports, and those that they import; sorted.

    Found in the text, by ``import`` and ``from``: a name that is computed is not seen.
    """
    home, found, left = path.parent, set[Path](), [path]
    while left:
        file = left.pop()
        for name in _imported(file, home):
            for each in _files_of(home, name):
                if each != path and each not in found:
                    found.add(each)
                    left.append(each)
    return tuple(sorted(found))


@contextmanager
def blamed(path: Path) -> Iterator[None]:
    """What the user's code raises becomes an error that names the line of the file.

    Raises:
        ModelError: it raised something.
    """
    try:
        yield
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise _error(path.absolute(), error) from error


def shown(path: Path | str) -> str:
    """The path as people would write it here."""
    absolute = Path(path).absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def _executed(path: Path) -> Mapping[str, Any]:
    name = f"{_PREFIX}{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    module = module_from_spec(ModuleSpec(name, None, origin=str(path)))
    module.__file__ = str(path)
    with blamed(path):
        code = compile(path.read_bytes(), str(path), "exec")
        sys.modules[name] = module  # dataclasses look there
        exec(code, module.__dict__)
    return module.__dict__


def _error(path: Path, error: BaseException) -> ModelError:
    text = cause_of(error) if isinstance(error, Exception) else f"SystemExit: {error}"
    kind = type(error).__name__
    text = text if text.startswith(kind) else f"{kind}: {text}"
    hint = "correct the file; --debug shows the traceback"
    if isinstance(error, SyntaxError) and error.filename:
        return ModelError(
            f"{kind}: {error.msg}", where=f"{shown(error.filename)}:{error.lineno}", hint=hint
        )
    if isinstance(error, OSError) and error.filename == str(path):
        return ModelError(f"cannot be read: {error.strerror}", where=shown(path), hint="check it")
    if isinstance(error, ImportError):
        hint = "install what it imports, or put the module into the file's folder"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(path.parent)
    ]
    last = frames[-1] if frames else None
    where = shown(path) if last is None else f"{shown(last.filename)}:{last.lineno}"
    return ModelError(text, where=where, hint=hint)


def _line_of(target: Callable[..., Any]) -> int:
    code = getattr(target, "__code__", None) or getattr(
        getattr(target, "__init__", None), "__code__", None
    )
    return int(getattr(code, "co_firstlineno", 1))


def _imported(file: Path, home: Path) -> Iterator[str]:
    """The dotted names, as seen from ``home``, of what ``file`` imports."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # running it says so
    package = file.parent.relative_to(home).parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def _files_of(home: Path, name: str) -> Iterator[Path]:
    """The files of ``home`` that importing ``name`` runs, packages above it included."""
    place = home
    for part in filter(None, name.split(".")):
        place = place / part
        for each in (place / "__init__.py", place.with_name(f"{part}.py")):
            if each.is_file():
                yield each


def _top(path: Path, module: Path) -> str:
    """The first part of the name that ``module`` is imported by."""
    return module.relative_to(path.parent).parts[0].removesuffix(".py")


def _file_of(module: str, folder: Path) -> Path | None:
    """The file of an imported module, if it is one of ``folder``."""
    file = getattr(sys.modules[module], "__file__", None)
    if not file or module.startswith(_PREFIX) or not Path(file).is_relative_to(folder):
        return None
    return Path(file)


def _tell_unseen(path: Path, before: set[str]) -> None:
    """Modules of the folder that were imported without the text saying so are not in the key."""
    seen = {path, *local_modules(path)}
    for name in sorted(set(sys.modules) - before):
        file = _file_of(name, path.parent)
        if file is not None and file not in seen:
            warnings.warn(
                f"{path} imports {file} by a computed name: changes of that file are not noticed",
                stacklevel=2,
            )
