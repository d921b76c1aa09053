"""The workers as the driver has them: actors, and what is awaited of each."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any

from harness.api import Call
from harness_ray.cluster import Cluster
from harness_ray.shares import Share

HEARTBEAT = 1.0
"""Seconds between two pulses."""
GROWTH = 2
"""Workers that wait for room, at least: so many hosts can be added at once."""


class Awaited(Enum):
    """What can be ready."""

    BORN = "its process is there"
    OPENED = "it can work, or cannot"
    EVENT = "its shard's next event"
    PULSE = "it answered"
    WORDS = "what it was doing when it died"


class Member:
    """A worker.

    Attributes:
        spare: nobody counts on it: it waits for room.
        early_deaths: of those in whose place it is, before they had joined.
        awaited: what to wait for, by what it is.
        born: its process; None: it has none yet. ``here``: whether that is on the driver's host.
        call: what it was at when last heard.
        ending: how it ended, as soon as it has.
    """

    def __init__(self, number: int, actor: Any, *, spare: bool, early_deaths: int) -> None:
        self.number, self.actor = number, actor
        self.spare, self.early_deaths = spare, early_deaths
        self.awaited: dict[Awaited, Any] = {}
        self.born: Any = None
        self.here = False
        self.joined = False
        self.call: Call | None = None
        self.ending: str | None = None
        self.next_pulse = self.last_words_by = 0.0

    def submit(self, shard: bytes) -> None:
        self.awaited[Awaited.EVENT] = self.actor.do.remote(shard)

    def pulse(self, now: float) -> None:
        """Ask for it, if it is time and the last one has been answered."""
        if self.born is not None and Awaited.PULSE not in self.awaited and now >= self.next_pulse:
            self.next_pulse = now + HEARTBEAT
            self.awaited[Awaited.PULSE] = self.actor.pulse.remote()


class Crew:
    """Makes workers, ends them, and waits for what they say.

    Args:
        program, source: packed, for the workers.
        environment: variables of theirs.
    """

    def __init__(
        self,
        cluster: Cluster,
        share: Share,
        program: bytes,
        source: bytes,
        environment: Mapping[str, str],
    ) -> None:
        from harness_ray import worker

        ray = self._ray = cluster.ray
        self._share, self._environment = share, dict(environment)
        self._numbers = itertools.count()
        self.members: dict[int, Member] = {}
        self._refused: list[Member] = []
        """They keep their places: who came there next would be refused as well."""
        self._class = ray.remote(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_restarts=0,
            max_task_retries=0,
            concurrency_groups={"pulse": 1},
            scheduling_strategy="SPREAD",
        )(worker.Worker)
        self._keeper = None if cluster.ours else self._keep(worker.Keeper, source, cluster.home)
        self._program = ray.put(program)
        self._supply = ray.put(worker.Supply(source, cluster.home, self._keeper))

    def hire(self, *, spare: bool = False, early_deaths: int = 0) -> None:
        """Make a worker, as soon as there is room for it."""
        number = next(self._numbers)
        actor = self._class.remote(self._environment)
        member = Member(number, actor, spare=spare, early_deaths=early_deaths)
        self.members[number] = member
        share = self._share
        member.awaited[Awaited.BORN] = actor.born.remote()
        member.awaited[Awaited.OPENED] = actor.open.remote(
            self._program, self._supply, share.device, share.threads
        )

    def wait_for_room(self) -> None:
        """Have a few workers wait for room, which hosts that join later bring."""
        waiting = sum(each.spare for each in self.members.values())
        there = len(self.members) - waiting
        waiting += sum(each.spare for each in self._refused)  # as many again would be refused too
        for _ in range(min(self._share.most - there, max(GROWTH, there)) - waiting):
            self.hire(spare=True)

    def refuse(self, member: Member) -> None:
        """It cannot work, and neither can anybody else in its place."""
        self._refused.append(self.members.pop(member.number))

    def end(self, member: Member) -> None:
        """Whatever it is at; it is no longer one of us."""
        self.members.pop(member.number, None)
        with suppress(Exception):
            self._ray.kill(member.actor)
        if member.here:  # Ray asks first, and a stopped process does not answer
            with suppress(OSError):
                os.kill(member.born.pid, signal.SIGKILL)

    def ask_for_last_words(self, member: Member, seconds: float) -> None:
        """Of a worker on another host."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from harness_ray import worker

        there = NodeAffinitySchedulingStrategy(member.born.node, soft=False)
        task = self._ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)
        member.last_words_by = time.monotonic() + seconds
        member.awaited = {Awaited.WORDS: task(worker.last_words).remote(member.born.journal)}

    def ready(self, seconds: float) -> Iterator[tuple[Member, Awaited]]:
        """What there is to hear, waiting so long for the first of it."""
        awaited = {
            handle: (member, what)
            for member in self.members.values()
            for what, handle in member.awaited.items()
        }
        handles = list(awaited)
        if not handles:
            time.sleep(max(0.0, seconds))
            return
        found, _ = self._ray.wait(handles, timeout=max(0.0, seconds))
        if found:
            found, _ = self._ray.wait(handles, num_returns=len(handles), timeout=0)
        for handle in found:
            yield awaited[handle]

    def close(self, seconds: float) -> None:
        """End all; idle ones may put their things away first."""
        members = [*self.members.values(), *self._refused]
        with suppress(Exception):
            leaving = [
                each.actor.leave.remote()
                for each in members
                if each.joined and Awaited.EVENT not in each.awaited and each.ending is None
            ]
            if leaving:
                self._ray.wait(leaving, num_returns=len(leaving), timeout=seconds)
        for each in members:
            self.end(each)
        if self._keeper is not None:
            with suppress(Exception):
                self._ray.kill(self._keeper)

    def _keep(self, keeper: type, source: bytes, home: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from harness_ray.worker import AT_A_TIME

        return self._ray.remote(
            num_cpus=0,
            max_restarts=-1,
            max_task_retries=-1,
            max_concurrency=AT_A_TIME,
            scheduling_strategy=NodeAffinitySchedulingStrategy(home, soft=False),
        )(keeper).remote(source)
