"""Whole messages over the pipe between the driver and a worker's process.

The driver never waits for a worker: one that is stopped in the middle of a message, or that reads
none, must not hold the others up. A worker waits for the driver, and that is how it is kept from
running ahead.
"""

from __future__ import annotations

import os
from struct import Struct

SIZE = Struct("!Q")
"""Before each message: its length."""
PIECE = 1024 * 1024
"""Bytes that are read or written at a time."""


class Channel:
    """The driver's end of a pipe.

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


def write(descriptor: int, message: bytes) -> None:
    """Send a message from a worker; returns when the pipe has all of it."""
    left = memoryview(SIZE.pack(len(message)) + message)
    while left:
        left = left[os.write(descriptor, left) :]


def read(descriptor: int) -> bytes:
    """Wait for a message to a worker.

    Raises:
        EOFError: the driver is gone.
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
