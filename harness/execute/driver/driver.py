"""The driver: leases work to workers and has what they yield stored, until all is done.

It is the one writer, and it alone decides what is done again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.api import Alive, Done, Joined, Lost, Refused, Report, Yielded
from harness.execute.driver.crew import LISTEN, Crew, Member
from harness.execute.driver.scheduler import Queue, Scheduler
from harness.execute.driver.task_group import TaskGroup
from harness.execute.events import Beat, Began, Noted


class FailFast(Exception):
    """The model of this name failed, and the run is to stop at the first that does."""


class Driver:
    """Does the work of task groups, with the workers of a crew.

    Args:
        scheduler: of the groups' queues.
        watch: called every second or so with all workers, those that were lost too.
    """

    def __init__(
        self,
        crew: Crew,
        scheduler: Scheduler,
        groups: Iterable[TaskGroup],
        watch: Callable[[Sequence[Member]], None],
    ) -> None:
        self._crew, self._scheduler, self._watch = crew, scheduler, watch
        self._groups: Mapping[Queue, TaskGroup] = {group.queue: group for group in groups}
        self._looked = time.monotonic()
        for worker in crew.members:
            scheduler.join(worker)

    def drive(self) -> None:
        """Until nothing is left that could be done.

        Raises:
            Exception: what the executor, a group or its owner raised; what was at work is broken
            off.
        """
        try:
            self._offer()
            while self._scheduler.is_ready or self._scheduler.is_busy:
                report = self._crew.executor.next(LISTEN)
                if report is not None:
                    self._take(report)
                self._look()
        except BaseException as error:
            failed = isinstance(error, Exception) and not isinstance(error, FailFast)
            for group in self._groups.values():
                group.broken_off(failed=failed)
            raise

    def _offer(self) -> None:
        """Give work to those who wait."""
        for number in self._scheduler.idle:
            if not self._scheduler.is_ready:
                return
            if lease := self._scheduler.lease(number):
                group, worker = self._groups[lease.queue], self._crew.members[number]
                worker.model, worker.task, worker.ready = group.model, group.task, False
                self._crew.executor.submit(number, group.shard(lease))

    def _take(self, report: Report) -> None:
        if isinstance(report, Yielded | Done) and not self._scheduler.has(report.worker):
            return  # of a worker that is lost: its lease is another one's
        match report:
            case Yielded():
                self._crew.heard(report.worker)
                self._store(report)
                if isinstance(report.event, Beat):
                    return
            case Alive():
                self._crew.heard(report.worker, report.call)
                return
            case Done():
                self._crew.heard(report.worker)
                self._done(report.worker)
            case Joined():
                self._crew.join(report)
                self._scheduler.join(report.worker)
            case Refused():
                self._crew.refuse(report)
            case Lost():
                self._lose(report)
        self._offer()

    def _store(self, report: Yielded) -> None:
        number, event = report.worker, report.event
        if isinstance(event, Noted):
            self._crew.note(event.text)
            return
        lease, worker = self._scheduler.of(number), self._crew.members[number]
        stored = self._groups[lease.queue].take(lease, event, worker.device)
        self._scheduler.stored(number, stored)
        worker.images += len(stored)
        if isinstance(event, Began):
            worker.ready = True
            self._scheduler.holds(number, event.resident)

    def _done(self, number: int) -> None:
        lease, worker = self._scheduler.of(number), self._crew.members[number]
        self._scheduler.done(number)
        worker.model = worker.task = worker.call = None
        group = self._groups[lease.queue]
        group.done(lease)
        group.close_if_over()

    def _lose(self, report: Lost) -> None:
        """A worker is gone: what of its lease is not stored is done again, by others."""
        worker = self._crew.lose(report)
        if worker is None:
            return
        number = worker.number
        if not self._scheduler.has(number):
            self._scheduler.lost(number)
            return
        lease = self._scheduler.of(number)
        group = self._groups[lease.queue]
        call = report.call or worker.call
        why = f"{report.reason} in {call}" if call else report.reason
        suspects = group.suspects(report.call) if worker.ready else ()
        culprit = self._scheduler.lost(number, suspects)
        group.lost(lease, why)
        if culprit is not None and group.reason is None:
            for item in group.blame(culprit, why):
                self._scheduler.isolate(lease.queue, item)
        group.close_if_over()

    def _look(self) -> None:
        """Every second or so, at what nobody reports."""
        now = time.monotonic()
        if now - self._looked >= LISTEN:
            self._looked = now
            self._crew.dismiss_silent()
            self._watch([*self._crew.gone, *self._crew.members.values()])
