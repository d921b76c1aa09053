"""Downloading a model's weights before the run begins."""

from __future__ import annotations

from collections.abc import Callable

from harness.api import HarnessError, MissingError
from harness.contained import contained
from harness.plugins import Catalog, Kind
from harness.registry import ModelEntry
from harness.resolve.components import model_loader
from harness.resolve.weights import checked_weights, place


def download(
    entry: ModelEntry, catalog: Catalog, progress: Callable[[int, int | None], None]
) -> None:
    """Fetch the weights of ``entry`` and check them; ``progress`` hears the bytes so far, and all.

    Raises:
        MissingError: they cannot be had, or are not the registry's.
    """
    loader = model_loader(catalog.get(Kind.MODEL_LOADER, entry.loader, where=place(entry)))
    try:
        with contained("the loader"):
            loader.fetch(entry.spec(None), progress)
    except HarnessError as error:
        raise MissingError(error.what, where=error.where, hint=error.hint) from error
    except Exception as error:
        raise MissingError(
            f"the download failed: {type(error).__name__}: {error}",
            where=place(entry),
            hint="the same command tries again",
        ) from error
    checked_weights(entry, loader)
