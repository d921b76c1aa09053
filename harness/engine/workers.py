"""Other processes for work that needs no model, so that it is not in the device's way."""

from __future__ import annotations

import pickle
import queue
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from harness.api import HarnessError, Later, MeasurementResult
from harness.cores import usable_cores
from harness.engine.child import Child

MOST = 8
TRIES = 2
"""Processes that a piece of work may cost before it is to blame."""


@dataclass(frozen=True, slots=True)
class _Piece:
    packed: bytes
    result: Future[MeasurementResult]


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a process answers instead of a result."""

    why: str


class Workers:
    """A few processes, each started with its first piece of work; a context manager.

    A process that dies is replaced, and its piece is done again; the second time the piece fails.

    Attributes:
        count: how many pieces are worked on at a time.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count or max(1, min(MOST, usable_cores() // 2))
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
            self._hands.append(_Hand(self._pieces))
        self._pieces.put(_Piece(packed, result))
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

    def __init__(self, pieces: queue.SimpleQueue[_Piece | None]) -> None:
        super().__init__(name="fits", daemon=True)
        self._pieces = pieces
        self._child: Child | None = None
        self._lock = threading.Lock()
        self._closed = False
        self.start()

    def run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            try:
                piece.result.set_result(self._done(piece.packed))
            except BaseException as error:
                piece.result.set_exception(error)

    def close(self) -> None:
        """Kill the process; what it was at fails."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.kill()

    def _done(self, packed: bytes) -> MeasurementResult:
        for _ in range(TRIES):
            child = self._running()
            try:
                child.connection.send_bytes(packed)
                answer = child.connection.recv_bytes()
            except (EOFError, OSError):
                ended = self._gone(child)
                continue
            return _read(answer)
        raise HarnessError(f"the measurement's later part ended its process twice ({ended})")

    def _running(self) -> Child:
        with self._lock:
            if self._closed:
                raise HarnessError("the processes were ended")
            if self._child is None:
                self._child = Child(_work, name="fits")
            return self._child

    def _gone(self, child: Child) -> str:
        with self._lock:
            self._child = None
            return child.kill()


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
    while True:
        try:
            packed = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(_answer(packed))


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
        return pickle.dumps(_Failed(str(_failure(stage, error))))
