"""The worker's side: shards come from stdin, reports go to stdout."""

import os
import pickle
import sys
import threading
from socket import gethostname

from acme_cluster import frames
from harness.api import Alive, Call, Done, Joined, Refused, Yielded

HEARTBEAT = 1.0
"""Seconds between signs of life."""


class Line:
    """To the driver and from it; a thread says that the process lives."""

    def __init__(self):
        self._input = os.fdopen(os.dup(0), "rb")
        self._output = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # what plugins print is no report
        self._lock = threading.Lock()

    def read(self):
        message = frames.read(self._input)
        if message is None:
            os._exit(0)  # the driver is gone
        return pickle.loads(message)

    def send(self, report):
        packed = pickle.dumps(report)
        try:
            with self._lock:
                frames.write(self._output, packed)
        except OSError:
            os._exit(0)


class Watch:
    """Tells the driver which call of a plugin the worker is in."""

    def __init__(self, line, number, source):
        self._line, self._number, self.ask = line, number, source
        self._call = None
        threading.Thread(target=self._live, daemon=True).start()

    def call(self, what, images=()):
        self._call = Call(what, images)
        self._line.send(Alive(self._number, self._call))

    def idle(self):
        self._call = None

    def beat(self):
        """The heartbeat says it."""

    def _live(self):
        pause = threading.Event()
        while not pause.wait(HEARTBEAT):
            self._line.send(Alive(self._number, self._call))


def main():
    line = Line()
    number, device = line.read()
    try:
        program, source = line.read()
        opened = program.open(device, Watch(line, number, source))
    except Exception as error:
        line.send(Refused(number, gethostname(), " ".join(str(error).split())))
        return
    with opened:
        line.send(Joined(number, gethostname(), opened.device))
        while True:
            shard = line.read()
            try:
                for event in opened.do(shard):
                    line.send(Yielded(number, event))
            except Exception as error:  # a defect: the driver raises it
                line.send(error)
                return
            line.send(Done(number))


if __name__ == "__main__":
    sys.exit(main())
