"""The program of a run: what makes a worker able to work, in this process or on another host.

It is unpickled before anything is known of the place: this module loads neither torch nor plugins.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.api import MissingError, PluginError, Watch
from harness.execute.worker.passport import Passport
from harness.plugins import installed

if TYPE_CHECKING:
    from harness.execute.images import Images
    from harness.execute.worker.worker import Worker, WorkerSettings

MOST_FITS = 8


class Program:
    """See `harness.api.Program`. Pickled, it holds the settings as bytes, behind a passport.

    Args:
        passport: of the process that sends it.
        images: those that a worker of this very process uses.
    """

    def __init__(
        self, settings: WorkerSettings, passport: Passport, images: Images | None = None
    ) -> None:
        self._settings: WorkerSettings | None = settings
        self._passport, self._images = passport, images
        self._packed = b""
        self._exact = settings.policy.rows is not None

    @property
    def environment(self) -> Mapping[str, str]:
        """What MKL and OpenMP ask for once, before torch computes anything."""
        return {"MKL_CBWR": "AUTO"} if self._exact else {}

    def __getstate__(self) -> tuple[bytes, Passport, bool]:
        return self._packed or pickle.dumps(self._settings), self._passport, self._exact

    def __setstate__(self, state: tuple[bytes, Passport, bool]) -> None:
        self._packed, self._passport, self._exact = state
        self._settings, self._images = None, None

    def open(self, device: str, watch: Watch, *, threads: int | None = None) -> Worker:
        settings = self._settings
        if settings is None:  # it has travelled
            self._passport.check(Passport.of(installed()))
            settings = _unpacked(self._packed)

        import torch

        from harness.engine import exact
        from harness.engine.device import make_current, resolve_device
        from harness.execute.worker.worker import Worker

        if threads is not None:  # OMP_NUM_THREADS may want fewer
            torch.set_num_threads(min(threads, torch.get_num_threads()))
        if self._exact:
            exact.prepare()
        place = resolve_device(device)
        if self._settings is None:
            make_current(place)
        return Worker(
            settings,
            place,
            watch,
            images=self._images,
            fits=None if threads is None else max(1, min(MOST_FITS, threads // 2)),
        )


def _unpacked(packed: bytes) -> WorkerSettings:
    try:
        settings: WorkerSettings = pickle.loads(packed)
    except ModuleNotFoundError as error:
        raise MissingError(
            f"module {error.name} is missing here", hint="install what the driver's host has"
        ) from error
    except Exception as error:
        raise PluginError(f"what the run needs cannot be unpacked here: {error!r}") from error
    return settings
