"""The model loaders ``python`` and ``torchscript``: networks of the user's own files."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import (
    Classifier,
    ConfigError,
    Described,
    ModelError,
    ModelLoader,
    ModelReference,
    ModelSpec,
    Preprocessing,
)
from harness_models import probing, tensors, userfile
from harness_models.files import Form, cause_of, look
from harness_models.network import entry_name, finished, seeded

if TYPE_CHECKING:
    from torch import nn

PREPROCESSING = "preprocessing"
"""The attribute of a file, function or network that says what input the network takes."""


class PythonLoader(ModelLoader):
    """``FILE.py:FUNCTION``: a function or class that returns a torch module.

    The entry's ``code`` is the file, its ``architecture`` the function, and its options are the
    function's arguments. The weights are a state dict, safetensors or torch.save's; without any the
    network stays as the function returns it, with torch's seed at 0.

    The file's hash, and that of the modules of its folder that it imports, is part of the key.
    """

    def code(self, reference: str) -> Path | None:
        return _parted(reference)[0]

    def files(self, spec: ModelSpec) -> tuple[Path, ...]:
        return () if spec.code is None else userfile.local_modules(spec.code)

    def described(self, reference: ModelReference) -> Described:
        try:
            return self._described(reference)
        except ModelError as error:  # what the user named cannot be a model
            cause = error.__cause__ or error
            raise ConfigError(error.what, where=error.where, hint=error.hint) from cause

    def _described(self, reference: ModelReference) -> Described:
        path, name = _parted(reference.text)
        network, own = _built(path, name, reference.options)
        found = probing.input_of(network, own, reference)
        where = str(path)
        how = Preprocessing(**found.fields)
        if reference.weights is not None:
            _fill(network, reference.weights, name)
        columns = probing.outputs(network.eval(), how.shape, where)
        options = "".join(f"-{key}-{value}" for key, value in reference.options.items())
        notes = list(found.notes)
        if reference.weights is None:
            notes.insert(0, f"no --weights: the network's are what {name} makes")
        return Described(
            name=entry_name(f"{path.stem}.{name}{options}"),
            architecture=name,
            family=type(network).__name__,
            parameters=sum(part.numel() for part in network.parameters()) or None,
            classes=columns - (how.background is not None),
            preprocessing=how,
            code=path,
            notes="; ".join(notes),
        )

    def describe(self, reference: str) -> Described:
        return self.described(ModelReference(text=reference))

    def untrained(self, spec: ModelSpec, device: str) -> Classifier:
        network, _ = _built(_code_of(spec), spec.architecture, spec.options)
        return finished(network, spec, device)

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        network, _ = _built(_code_of(spec), spec.architecture, spec.options)
        if spec.weights is not None:
            _fill(network, spec.weights, spec.architecture)
        return finished(network, spec, device)


class TorchScriptLoader(ModelLoader):
    """A file of ``torch.jit.save``: a program with its weights. It takes no option."""

    def code(self, reference: str) -> Path | None:
        path = Path(reference)
        if not path.is_file():
            raise ConfigError("no such file", where=f"--models {reference}", hint="check the path")
        return path

    def described(self, reference: ModelReference) -> Described:
        path = Path(reference.text)
        network = _program(path)
        found = probing.input_of(network, {}, reference)
        if "channels" not in reference.said:
            found = _with_channels(network, found)
        how = Preprocessing(**found.fields)
        columns = probing.outputs(network, how.shape, str(path))
        return Described(
            name=entry_name(path.stem),
            architecture=path.stem,
            family="TorchScript",
            parameters=sum(part.numel() for part in network.parameters()) or None,
            classes=columns - (how.background is not None),
            preprocessing=how,
            code=path,
            notes="; ".join(found.notes),
        )

    def describe(self, reference: str) -> Described:
        return self.described(ModelReference(text=reference))

    def load(self, spec: ModelSpec, device: str) -> Classifier:
        if spec.weights is not None:
            raise ModelError(
                "a TorchScript program has its weights in it",
                where=f"model {spec.name}",
                hint="leave weights out",
            )
        return finished(_program(_code_of(spec)), spec, device)


def _parted(reference: str) -> tuple[Path, str]:
    """``FILE.py:FUNCTION``.

    Raises:
        ConfigError: no function is named, or there is no such file.
    """
    file, colon, name = reference.rpartition(":")
    if not colon or not name.isidentifier():
        path = Path(reference if not colon else file)
        known = userfile.callables(path)
        hint = f"say {path}:{known[0]}" if known else f"say {path}:FUNCTION"
        raise ConfigError(
            f"{reference} names no function that makes the network", where="--models", hint=hint
        )
    if not Path(file).is_file():
        raise ConfigError(f"no such file: {file}", where="--models", hint="check the path")
    return Path(file), name


def _code_of(spec: ModelSpec) -> Path:
    if spec.code is None:
        raise ModelError("names no file to run", where=f"model {spec.name}", hint="set code: FILE")
    return spec.code


def _built(path: Path, name: str, options: Any) -> tuple[nn.Module, dict[str, Any]]:
    """The network that the function returns, and what is said of its input.

    Raises:
        ModelError: the file or the function fails, or returns something else.
    """
    from torch import nn

    with seeded(), userfile.running(path) as defined:
        network = userfile.called(defined, name, options, path)
        if not isinstance(network, nn.Module):
            kind = "nothing" if network is None else type(network).__name__
            raise ModelError(
                f"{name}() returned {kind}, not a torch module",
                where=str(path),
                hint="have it return the network",
            )
        notes = (_note(network), _note(defined[name]), defined.get(PREPROCESSING))
        own = next((dict(note) for note in notes if isinstance(note, dict)), {})
    return network, own


def _note(thing: object) -> object:
    return getattr(thing, PREPROCESSING, None)


def _fill(network: nn.Module, path: Path, name: str) -> None:
    """Load the state dict in ``path`` if it is the network's."""
    tensors.fill(network, _plain(tensors.read(path)), path, f"the network of {name}")


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    """Without the prefix that DataParallel and torch.compile put before every name."""
    for prefix in ("module.", "_orig_mod."):
        if found and all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): tensor for name, tensor in found.items()}
    return found


def _program(path: Path) -> nn.Module:
    """The TorchScript program on the CPU, in eval mode.

    Raises:
        ModelError: it is none.
    """
    import torch

    found = look(path)
    if found.form is Form.ZIP:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of torch's own replacement
                network = torch.jit.load(str(path), map_location="cpu")
            # A program by itself lacks some of what modules can do.
            return torch.nn.Sequential(network).eval()
        except Exception as error:
            problem = re.sub(r"\s*\n.*", "", cause_of(error), flags=re.DOTALL)
    else:
        problem = f"it is {found.what}"
    raise ModelError(
        f"is no TorchScript program: {problem}"[:300],
        where=str(path),
        hint="weights alone need their network: --models FILE.py:FUNCTION --weights FILE",
    )


def _with_channels(network: nn.Module, found: probing.Input) -> probing.Input:
    """With the channels of the first parameter that is a convolution's: a program has no layers."""
    first = next((part for part in network.parameters() if part.ndim == 4), None)
    count = 3 if first is None else first.shape[1]
    channels = {1: "grey", 3: "rgb"}.get(count, count)
    notes = [note for note in found.notes if not note.startswith("channels")]
    return probing.Input({**found.fields, "channels": channels}, notes)
