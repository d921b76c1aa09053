"""Whole messages over the pipe between this process and one that works for it.

This one never waits for a worker: one that is stopped in the middle of a message, or that reads
none, must not hold anything up. A worker waits until it is heard, and that is how it is kept from
running ahead.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from struct import Struct

SIZE = Struct("!Q")
"""Before each message: its length."""
PIECE = 1024 * 1024
"""Bytes that are read or written at a time."""
HEARTBEAT = 1.0
"""Seconds between a worker's signs of life."""


class Channel:
    """The end of a pipe on this side.

    Args:
        descriptor: of the pipe; it no longer blocks.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._unsent, self._arrived = bytearray(), bytearray()
        self._size: int | None = None

    def send(self, message: bytes) -> None:
        """Send it, now or by and by."""
        self._unsent += SIZE.pack(len(message)) + message
        self.flush()

    @property
    def unsent(self) -> bool:
        """Whether `flush` has more to do."""
        return bool(self._unsent)

    def stirs(self, seconds: float) -> bool:
        """Wait so long until it can send or receive something; whether it can."""
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN | (self.unsent and select.POLLOUT))
        return bool(waiting.poll(1000 * seconds))

    def flush(self) -> None:
        """Send what the pipe takes at once."""
        while self._unsent:
            try:
                sent = os.write(self._descriptor, self._unsent[:PIECE])
            except BlockingIOError:
                return
            except OSError:  # the worker has just died, which is seen where it is heard
                self._unsent.clear()
                return
            del self._unsent[:sent]

    def receive(self) -> bytes | None:
        """The next message; None: some of it is still to come. It reads no further.

        Raises:
            EOFError: the other end is closed.
        """
        while True:
            size = SIZE.size if self._size is None else self._size
            if len(self._arrived) < size and not self._more(size - len(self._arrived)):
                return None
            if len(self._arrived) < size:
                continue
            found, self._arrived = bytes(self._arrived), bytearray()
            if self._size is not None:
                self._size = None
                return found
            (self._size,) = SIZE.unpack(found)

    def _more(self, most: int) -> bool:
        """Whether something has arrived."""
        try:
            piece = os.read(self._descriptor, min(most, PIECE))
        except BlockingIOError:
            return False
        except OSError as error:
            raise EOFError from error
        if not piece:
            raise EOFError
        self._arrived += piece
        return True


class Line:
    """The worker's end of a pipe, for one message at a time; a thread tells that it lives.

    Args:
        alive: the message that tells it.
    """

    def __init__(self, descriptor: int, alive: Callable[[], bytes]) -> None:
        self._descriptor, self._alive = descriptor, alive
        self._lock = threading.Lock()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def send(self, message: bytes) -> None:
        """Returns when the pipe has all of it."""
        left = memoryview(SIZE.pack(len(message)) + message)
        with self._lock:
            while left:
                left = left[os.write(self._descriptor, left) :]

    def _beat(self) -> None:
        pause = threading.Event()
        try:
            while not pause.wait(HEARTBEAT):
                self.send(self._alive())
        except OSError:
            return  # nobody is left to hear it


def read(descriptor: int) -> bytes:
    """Wait for a message to a worker.

    Raises:
        EOFError: the other process is gone.
    """
    (size,) = SIZE.unpack(_exactly(descriptor, SIZE.size))
    return _exactly(descriptor, size)


def _exactly(descriptor: int, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = os.read(descriptor, min(size - len(found), PIECE))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)
