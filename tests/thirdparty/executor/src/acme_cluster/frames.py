"""Messages in a stream of bytes: each has its length before it."""

import struct

SIZE = struct.Struct("!Q")


def write(stream, message):
    stream.write(SIZE.pack(len(message)))
    stream.write(message)
    stream.flush()


def read(stream):
    """The next message; None: the stream is at its end."""
    size = stream.read(SIZE.size)
    if len(size) < SIZE.size:
        return None
    (length,) = SIZE.unpack(size)
    message = stream.read(length)
    return message if len(message) == length else None
