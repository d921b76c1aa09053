"""Files of the Hugging Face Hub: where they lie in its cache, and how they get there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import MissingError, WeightsFile
from harness_models.download import matches, offline

if TYPE_CHECKING:
    from harness.api import Progress

SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a model's repository.

    Attributes:
        repository: ``owner/name``, or ``owner/name@revision``.
        names: what the file may be called, the best first.
    """

    repository: str
    names: tuple[str, ...] = (SAFE, PICKLED)

    @property
    def _place(self) -> dict[str, Any]:
        name, _, revision = self.repository.partition("@")
        return {"repo_id": name, "revision": revision or None}

    def cached(self) -> Path | None:
        """Where it lies in the cache (``HF_HOME``), if it does."""
        from huggingface_hub import try_to_load_from_cache

        for name in self.names:
            found = try_to_load_from_cache(filename=name, **self._place)
            if isinstance(found, str):
                return Path(found)
        return None

    def weights(self, *, bytes: int | None = None, licence: str = "") -> WeightsFile:
        """The file as loaders report it."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.constants import HF_HUB_CACHE

        name = self._place["repo_id"]
        command = f"hf download {self.repository.replace('@', ' --revision ')} {self.names[0]}"
        bring = f"bring the folder models--{name.replace('/', '--')} to {HF_HUB_CACHE}"
        path = self.cached()
        if offline():
            how = f"unset HF_HUB_OFFLINE; or elsewhere: {command}, and {bring}"
            return WeightsFile(path, None, bytes, licence, how)
        url = hf_hub_url(filename=self.names[0], **self._place)
        return WeightsFile(path, url, bytes, licence, f"{command}; or so elsewhere, and {bring}")

    def fetch(self, progress: Progress) -> Path:
        """The file, from the cache or the hub; what a broken download left is used.

        Raises:
            MissingError: it cannot be downloaded, or does not match its name in the cache.
        """
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        where = f"https://huggingface.co/{self.repository}"
        for name in self.names:
            try:
                path = Path(
                    hf_hub_download(filename=name, tqdm_class=_reporter(progress), **self._place)
                )
            except EntryNotFoundError as error:
                if isinstance(error, LocalEntryNotFoundError):
                    raise _unavailable(error, where, self.weights().how) from error
                continue
            except Exception as error:  # of whatever HTTP library the hub's client uses
                raise _unavailable(error, where, self.weights().how) from error
            _check(path, where)
            return path
        raise MissingError(
            f"has no {' or '.join(self.names)}", where=where, hint="check the model's name"
        )


def _unavailable(error: Exception, where: str, how: str) -> MissingError:
    text = " ".join(str(error).split()) or type(error).__name__
    cause = text if len(text) <= 200 else f"{text[:197]}..."
    return MissingError(f"cannot be downloaded: {cause}", where=where, hint=how)


def _check(path: Path, where: str) -> None:
    """Large files lie in the cache under their SHA-256, which must be theirs."""
    blob = path.resolve()
    if re.fullmatch(r"[0-9a-f]{64}", blob.name) and not matches(blob, blob.name):
        blob.unlink()
        path.unlink(missing_ok=True)
        raise MissingError(
            f"{path.name} has another SHA-256 than the hub gives",
            where=where,
            hint="run the same command again",
        )


def _reporter(progress: Progress) -> type[Any]:
    """A silent progress bar that calls ``progress``."""
    from huggingface_hub.utils.tqdm import tqdm

    class Reporter(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})  # type: ignore[no-untyped-call]
            self._bytes = int(options.get("initial") or 0)

        def update(self, n: float | None = 1) -> None:
            self._bytes += int(n or 0)
            progress(self._bytes, None if self.total is None else int(self.total))

    return Reporter
