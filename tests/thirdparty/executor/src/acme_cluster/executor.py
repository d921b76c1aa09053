"""The driver's side: workers are processes that `COMMAND` starts; they talk through pipes.

With another command, such as ``ssh HOST``, ``srun`` or ``docker run -i IMAGE``, they are elsewhere.
Then `harness.api.Watch.ask` has to answer through the pipe: here the workers' host is the driver's.
"""

import itertools
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time

from acme_cluster import frames
from harness.api import Alive, Executor, HarnessError, Joined, Lost, Refused, Started

COMMAND = (sys.executable, "-m", "acme_cluster.worker")
EARLY_DEATHS = 4
"""So often a place is tried again whose workers die before they have joined."""
AHEAD = 4
"""Messages of a worker that wait for the driver."""


class AcmeCluster(Executor):
    """One worker for each device; ``auto`` is one on the CPU."""

    def __init__(self, placement):
        super().__init__(placement)
        devices = placement.devices
        cpus = ["cpu"] * (devices.workers or 1)
        gpus = [f"cuda:{number}" for number in devices.numbers or (0,)]
        self._places = (gpus if devices.kind == "cuda" else cpus)[: placement.most]
        self._workers, self._numbers = {}, itertools.count()
        self._heard = queue.SimpleQueue()
        self._end = "none was started"

    def start(self, program, source):
        try:
            self._program = pickle.dumps((program, source))
        except Exception as error:
            raise TypeError(f"{type(error).__name__}: {error}") from error
        self._environment = {**os.environ, **program.environment}
        for place in self._places:
            self._hire(place, deaths=0)
        return Started(len(self._places))

    def submit(self, worker, shard):
        if worker in self._workers:
            self._workers[worker].send(pickle.dumps(shard))

    def next(self, timeout):
        until = time.monotonic() + timeout
        while True:
            if not self._workers and self._heard.empty():
                raise HarnessError(f"no worker is left: {self._end}")
            try:
                worker, message = self._heard.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return None
            worker.room.release()
            if worker.number in self._workers:
                return self._ended(worker) if message is None else self._said(worker, message)

    def dismiss(self, worker, reason):
        if worker in self._workers:
            self._workers[worker].dismissed = reason
            self._workers[worker].process.kill()

    def close(self):
        for worker in self._workers.values():
            worker.process.kill()
        for worker in self._workers.values():
            worker.process.wait()
        self._workers.clear()

    def _hire(self, place, deaths):
        number = next(self._numbers)
        worker = _Worker(number, place, deaths, self._environment, self._heard)
        self._workers[number] = worker
        worker.send(pickle.dumps((number, place)), self._program)

    def _said(self, worker, report):
        if isinstance(report, Exception):
            raise report
        if isinstance(report, Joined):
            worker.deaths = 0
        elif isinstance(report, Alive):
            worker.call = report.call
        elif isinstance(report, Refused):
            self._end = report.why
            del self._workers[worker.number]
        return report

    def _ended(self, worker):
        """It is lost, and another one takes its place; or too many were."""
        del self._workers[worker.number]
        code = worker.process.wait()
        reason = worker.dismissed or (
            f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        )
        if worker.deaths + 1 >= EARLY_DEATHS:
            self._end = f"workers die before they are ready: {reason}"
            return Refused(worker.number, os.uname().nodename, self._end)
        self._hire(worker.place, worker.deaths + 1)
        outside = worker.dismissed is None and code in (-signal.SIGKILL, -signal.SIGTERM)
        return Lost(worker.number, reason, None if outside else worker.call)


class _Worker:
    """A process, and the threads that wait for it so that the driver does not."""

    def __init__(self, number, place, deaths, environment, heard):
        self.number, self.place, self.deaths = number, place, deaths
        self.call = self.dismissed = None
        self.room = threading.Semaphore(AHEAD)
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is the driver's
        )
        self._orders = queue.SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()
        threading.Thread(target=self._read, args=(heard,), daemon=True).start()

    def send(self, *messages):
        for message in messages:
            self._orders.put(message)

    def _write(self):
        try:
            while True:
                frames.write(self.process.stdin, self._orders.get())
        except OSError:
            return  # it has ended, which `_read` sees

    def _read(self, heard):
        message = b""
        while message is not None:
            self.room.acquire()
            message = frames.read(self.process.stdout)
            heard.put((self, None if message is None else pickle.loads(message)))
