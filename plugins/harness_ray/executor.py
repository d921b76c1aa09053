"""The executor: what the driver asks for, and what is heard of the workers."""

from __future__ import annotations

import os
import pickle
import time
from collections import deque
from contextlib import suppress
from typing import Any

from harness.api import (
    Alive,
    Call,
    ConfigError,
    Done,
    Executor,
    HarnessError,
    Joined,
    Lost,
    Placement,
    Program,
    Refused,
    Report,
    Source,
    Started,
    Yielded,
    usable_cores,
)
from harness_ray import cluster, journal
from harness_ray.crew import HEARTBEAT, Awaited, Crew, Member
from harness_ray.reasons import WITH_HOST, ending, refusal
from harness_ray.shares import check, share

EARLY_DEATHS = 2
"""Workers in a row that may die before they have joined; then none is made in their place."""
LEAVE = 1.0
"""Seconds that idle workers have to put their things away."""
LAST_WORDS = 20.0
"""Seconds to ask another host what a worker was doing there when it died."""
ARRIVES = 30.0
"""Seconds in which an event has to arrive that its host has announced."""


class RayExecutor(Executor):
    """See `Executor`.

    Where no address is given, neither as such nor as ``RAY_ADDRESS``, it starts a cluster of this
    host alone. On a cluster with an address workers join whenever there is room for more.
    """

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement)
        cluster.require()
        check(placement)
        self._address = placement.address or os.environ.get("RAY_ADDRESS")
        self._cores = usable_cores()
        if self._address and placement.devices.numbers:
            raise ConfigError(
                f"{placement.devices} means GPUs of one host, and a cluster may have many",
                where="--devices",
                hint="use --devices cuda:all",
            )
        if not self._address and (placement.cpus_per_worker or 0) > self._cores:
            raise ConfigError(
                f"this process may use {self._cores} cores, not {placement.cpus_per_worker}",
                where="--cpus-per-worker",
            )
        seen = os.environ.get("CUDA_VISIBLE_DEVICES")
        self._visible = _chosen(placement.devices.numbers, seen)
        self._cluster: cluster.Cluster | None = None
        self._crew: Crew | None = None
        self._reports = deque[Report]()
        self._end = "none was made"

    def start(self, program: Program, source: Source) -> Started:
        try:
            packed, answers = pickle.dumps(program), pickle.dumps(source)
        except Exception as error:
            raise TypeError(f"{type(error).__name__}: {error}") from error
        try:
            self._cluster = self._connected()
            given = share(self.placement, self._cluster.nodes())
            self._crew = Crew(self._cluster, given, packed, answers, program.environment)
            for _ in range(given.workers):
                self._crew.hire()
            self._make_more()
        except BaseException:
            self.close()
            raise
        return Started(given.workers)

    def submit(self, worker: int, shard: Any) -> None:
        assert self._crew is not None
        member = self._crew.members.get(worker)
        if member is not None:  # else it is reported as lost
            member.submit(pickle.dumps(shard))

    def next(self, timeout: float) -> Report | None:
        crew = self._crew
        assert crew is not None
        until = time.monotonic() + timeout
        while not self._reports:
            if all(member.spare for member in crew.members.values()):
                raise HarnessError(f"no worker is left: {self._end}")
            now = time.monotonic()
            for member in list(crew.members.values()):
                self._look_after(member, now)
            for member, what in crew.ready(min(until - now, HEARTBEAT / 4)):
                self._hear(member, what)
            if not self._reports and time.monotonic() >= until:
                return None
        return self._reports.popleft()

    def dismiss(self, worker: int, reason: str) -> None:
        assert self._crew is not None
        member = self._crew.members.get(worker)
        if member is not None:
            self._bury(member, reason, member.call)

    def close(self) -> None:
        crew, self._crew = self._crew, None
        connected, self._cluster = self._cluster, None
        try:
            if crew is not None:
                crew.close(LEAVE)
        finally:
            if connected is not None:
                connected.close()

    def _connected(self) -> cluster.Cluster:
        if there := cluster.joined():
            return there
        if self._address:
            return cluster.join(self._address)
        devices, each = self.placement.devices, self.placement.cpus_per_worker or 1
        cpus = max(self._cores, (devices.workers or 0) * each)
        return cluster.start(cpus=cpus, gpus=not devices.is_cpu(1), visible=self._visible)

    def _make_more(self) -> None:
        """On a cluster that may grow."""
        assert self._crew is not None
        assert self._cluster is not None
        if not self._cluster.ours:
            self._crew.wait_for_room()

    def _look_after(self, member: Member, now: float) -> None:
        if member.ending is None:
            member.pulse(now)
        elif now > member.last_words_by:
            self._bury(member, member.ending, None)

    def _hear(self, member: Member, what: Awaited) -> None:
        assert self._cluster is not None
        ray = self._cluster.ray
        handle = member.awaited.get(what)
        if handle is None or member.number not in self._members:
            return  # something else ended it in the meantime
        if what is not Awaited.EVENT:
            del member.awaited[what]
        try:
            if what is Awaited.EVENT:
                self._hear_event(member, ray.get(next(handle), timeout=ARRIVES))
                return
            said = ray.get(handle, timeout=ARRIVES)
        except StopIteration:
            del member.awaited[what]
            self._reports.append(Done(member.number))
        except ray.exceptions.RayTaskError as error:
            self._failed(member, what, error)
        except ray.exceptions.RayError as error:
            self._ended(member, what, error)
        else:
            self._hear_answer(member, what, said)

    def _hear_event(self, member: Member, packed: bytes) -> None:
        from harness_ray.worker import Raised

        event = pickle.loads(packed)
        if isinstance(event, Raised):
            raise event.error
        self._reports.append(Yielded(member.number, event))

    def _hear_answer(self, member: Member, what: Awaited, said: Any) -> None:
        assert self._cluster is not None
        if what is Awaited.BORN:
            member.born, member.here = said, said.node == self._cluster.home
        elif what is Awaited.PULSE:
            member.call = said
            self._reports.append(Alive(member.number, said))
        elif what is Awaited.WORDS:
            self._end_with(member, *said)
        else:
            self._opened(member, said)

    def _opened(self, member: Member, said: Any) -> None:
        from harness_ray.worker import Declined

        if isinstance(said, Declined):
            self._refuse(member, said.why)
            return
        member.joined, member.early_deaths, member.spare = True, 0, False
        self._reports.append(Joined(member.number, _host(member), said.device))
        self._make_more()

    def _refuse(self, member: Member, why: str) -> None:
        assert self._crew is not None
        self._crew.refuse(member)
        self._end = why
        self._reports.append(Refused(member.number, _host(member), why))

    def _failed(self, member: Member, what: Awaited, error: Any) -> None:
        """A method raised what it should not: the module may be missing there."""
        if member.joined and what is not Awaited.WORDS:
            raise HarnessError(f"a worker on {_host(member)} failed: {refusal(error)}") from error
        if what is Awaited.WORDS:
            self._end_with(member, None, "")
        else:
            self._refuse(member, refusal(error))

    def _ended(self, member: Member, what: Awaited, error: Exception) -> None:
        """Its process, its host or the way to it is gone."""
        assert self._crew is not None
        if Awaited.EVENT in member.awaited and what is not Awaited.EVENT:
            return  # its shard's events come first, and then the same
        if what is Awaited.WORDS:
            self._end_with(member, None, "")
            return
        if getattr(error, "actor_init_failed", False):
            self._refuse(member, refusal(error))
            return
        member.ending = ending(error)
        if member.here:
            self._end_with(member, *journal.last_words(member.born.journal))
        elif member.born is not None and "process" in member.ending:
            self._crew.ask_for_last_words(member, LAST_WORDS)
        else:
            self._bury(member, member.ending, None)

    def _end_with(self, member: Member, call: Call | None, word: str) -> None:
        reason = member.ending or ""
        if word and not word.startswith("os._exit"):
            reason = f"{reason}: {word}"
        self._bury(member, reason, call)

    def _bury(self, member: Member, reason: str, call: Call | None) -> None:
        """It is gone, and another one may come."""
        assert self._crew is not None
        self._crew.end(member)
        deaths = 0 if member.joined else member.early_deaths + (reason not in WITH_HOST)
        if deaths < EARLY_DEATHS:
            self._end = reason
            self._reports.append(Lost(member.number, reason, call))
            with suppress(Exception):  # this host's part of the cluster may be gone as well
                self._crew.hire(spare=member.spare, early_deaths=deaths)
        else:
            self._end = f"workers die before they are ready: {reason}"
            self._reports.append(Refused(member.number, _host(member), self._end))

    @property
    def _members(self) -> dict[int, Member]:
        return {} if self._crew is None else self._crew.members


def _host(member: Member) -> str:
    return "a host of the cluster" if member.born is None else str(member.born.host)


def _chosen(numbers: tuple[int, ...], visible: str | None) -> str | None:
    """CUDA_VISIBLE_DEVICES for GPUs that this process sees under these numbers; none: as it is.

    Raises:
        ConfigError: it does not see them all.
    """
    if visible is None or not numbers:
        return ",".join(map(str, numbers)) or visible
    seen = [each.strip() for each in visible.split(",") if each.strip()]
    if any(number >= len(seen) for number in numbers):
        raise ConfigError(
            f"CUDA_VISIBLE_DEVICES={visible} leaves this process {len(seen)} GPUs",
            where="--devices",
            hint="use --devices cuda:all",
        )
    return ",".join(seen[number] for number in numbers)
