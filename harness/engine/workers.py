"""Other processes for work that needs no model, so that it is not in the device's way."""

from __future__ import annotations

import math
import pickle
import queue
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from harness.api import HarnessError, Later, MeasurementResult
from harness.cores import usable_cores
from harness.engine.channel import HEARTBEAT, Channel, Line, read
from harness.engine.child import Child
from harness.overdue import MARK
from harness.traces import show

MOST = 8
TRIES = 2
"""Processes that a piece of work may cost before it is to blame."""
SILENCE = 60.0
"""Seconds without a sign of life after which a process counts as hung."""


@dataclass(frozen=True, slots=True)
class _Piece:
    packed: bytes
    result: Future[MeasurementResult]
    patience: float | None


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a process answers instead of a result."""

    why: str


class Workers:
    """A few processes, each started with its first piece of work; a context manager.

    A process that dies or hangs is replaced, and its piece is done again; the second time the piece
    fails.

    Args:
        silence: seconds after which a process that has said nothing counts as hung.

    Attributes:
        count: how many pieces are worked on at a time.
        patience: seconds that a piece may take from now on; None: any number.
    """

    def __init__(self, count: int | None = None, *, silence: float = SILENCE) -> None:
        self.count = count or max(1, min(MOST, usable_cores() // 2))
        self._silence = silence
        self.patience: float | None = None
        self._pieces: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._hands: list[_Hand] = []

    def submit(self, later: Later) -> Future[MeasurementResult]:
        """Start ``later``, or let it wait for a free process."""
        result: Future[MeasurementResult] = Future()
        try:
            packed = pickle.dumps((later.function, later.arguments))
        except Exception as error:
            result.set_exception(_failure("cannot be pickled", error))
            return result
        if len(self._hands) < self.count:
            self._hands.append(_Hand(self._pieces, self._silence))
        self._pieces.put(_Piece(packed, result, self.patience))
        return result

    def close(self) -> None:
        """End the processes; what is not finished is dropped."""
        hands, self._hands = self._hands, []
        pieces, self._pieces = self._pieces, queue.SimpleQueue()
        for hand in hands:
            hand.close()
        with suppress(queue.Empty):
            while piece := pieces.get_nowait():
                piece.result.cancel()
        for _ in hands:
            pieces.put(None)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class _Hand(threading.Thread):
    """Hands pieces to one process, one at a time, and takes what becomes of them."""

    def __init__(self, pieces: queue.SimpleQueue[_Piece | None], silence: float) -> None:
        super().__init__(name="fits", daemon=True)
        self._pieces, self._silence = pieces, silence
        self._child: Child | None = None
        self._channel: Channel | None = None
        self._lock = threading.Lock()
        self._closed = False
        self.start()

    def run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            try:
                piece.result.set_result(self._done(piece))
            except BaseException as error:
                piece.result.set_exception(error)

    def close(self) -> None:
        """Kill the process; what it was at fails."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.kill()

    def _done(self, piece: _Piece) -> MeasurementResult:
        for _ in range(TRIES):
            try:
                return _read(self._answer(piece))
            except _Lost as lost:
                ended = str(lost)
        raise HarnessError(f"the measurement's later part ended its process twice ({ended})")

    def _answer(self, piece: _Piece) -> bytes:
        """What the process answers, without an end of waiting for one that is stopped."""
        channel = self._running()
        channel.send(piece.packed)
        until = math.inf if piece.patience is None else time.monotonic() + piece.patience
        quiet = 0.0  # counted, not measured: a run may be stopped as a whole, and go on
        while quiet < self._silence:
            left = until - time.monotonic()
            if left <= 0:
                self._end()
                raise HarnessError(f"the measurement's later part made {MARK} {piece.patience:g} s")
            quiet = 0.0 if channel.stirs(min(HEARTBEAT, left)) else quiet + HEARTBEAT
            try:
                channel.flush()
                if answer := channel.receive():
                    return answer
            except EOFError:
                raise _Lost(self._end()) from None
        self._end()
        raise _Lost(f"not heard of for {self._silence:g} s")

    def _running(self) -> Channel:
        with self._lock:
            if self._closed:
                raise HarnessError("the processes were ended")
            if self._channel is None:
                self._child = Child(_work, name="fits")
                self._channel = Channel(self._child.connection.fileno())
            return self._channel

    def _end(self) -> str:
        """The process is no longer used; how it ended."""
        with self._lock:
            assert self._child is not None
            ended = self._child.kill()
            self._child = self._channel = None
            return ended


class _Lost(Exception):
    """A process is gone: how it ended."""


def _read(answer: bytes) -> MeasurementResult:
    try:
        found: MeasurementResult | _Failed = pickle.loads(answer)
    except BaseException as error:
        raise _failure("returned what cannot be unpickled", error) from error
    if isinstance(found, _Failed):
        raise HarnessError(found.why)
    return found


def _failure(what: str, error: BaseException) -> HarnessError:
    cause = " ".join(f"{type(error).__name__}: {error}".split())
    return HarnessError(f"the measurement's later part {what}: {cause}")


def _work(connection: Connection) -> None:
    """In the process: one piece after the other, until the pipe closes."""
    line = Line(connection.fileno(), bytes)
    with suppress(EOFError, OSError):
        while True:
            line.send(_answer(read(connection.fileno())))


def _answer(packed: bytes) -> bytes:
    """The pickled result, or one line that says why there is none."""
    stage = "cannot be unpickled"
    try:
        function, arguments = pickle.loads(packed)
        stage = "raised"
        result = function(*arguments)
        stage = "returned what cannot be pickled"
        return pickle.dumps(result)
    except BaseException as error:
        show(error)
        return pickle.dumps(_Failed(str(_failure(stage, error))))
