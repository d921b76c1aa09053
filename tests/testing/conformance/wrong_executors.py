"""An executor for each rule that breaks it. The good one is that of the harness's processes."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import replace

from harness.api import Joined, Lost, Refused, Yielded
from harness.execute.executors.processes import Processes
from harness.testing.toys import Toy

LEFT: list[Processes] = []
"""Executors whose workers are still there."""


class NoExecutor:
    """It has nothing of one."""


class Told(Processes):
    """Its reports are changed on their way."""

    def next(self, timeout):
        report = super().next(timeout)
        return None if report is None else self.told(report)

    def told(self, report):
        return report


class OtherDevice(Told):
    def told(self, report):
        return replace(report, device="?") if isinstance(report, Joined) else report


def nothing(request):
    return None


class Deaf(Processes):
    def start(self, program, source):
        return super().start(program, nothing)


class Verbose(Told):
    def told(self, report):
        if isinstance(report, Refused) and "no weights" in report.why:
            return replace(report, why=f"{report.why}\nTraceback")
        return report


class OtherError(Processes):
    def next(self, timeout):
        try:
            return super().next(timeout)
        except ValueError as error:
            raise RuntimeError(str(error)) from None


class Alone(Processes):
    """Who should wait for another worker does not."""

    def submit(self, worker, shard):
        super().submit(worker, Toy("count", (1,)) if shard.does == "meet" else shard)


class Many(Processes):
    def __init__(self, placement):
        super().__init__(replace(placement, most=9))


class Leaks(Processes):
    def start(self, program, source):
        os.environ.update(program.environment)
        return super().start(program, source)


class OtherRefusal(Processes):
    def start(self, program, source):
        try:
            return super().start(program, source)
        except TypeError as error:
            raise RuntimeError(str(error)) from error


class Silent(Told):
    def told(self, report):
        if isinstance(report, Lost) and "SIGKILL" in report.reason:
            return replace(report, reason="")
        return report


class Stutters(Told):
    """It says twice what came last of a worker that ends itself."""

    def __init__(self, placement):
        super().__init__(placement)
        self.ending, self.again = False, deque()

    def submit(self, worker, shard):
        self.ending = shard.does == "end"
        super().submit(worker, shard)

    def next(self, timeout):
        return self.again.popleft() if self.again else super().next(timeout)

    def told(self, report):
        if self.ending and isinstance(report, Yielded):
            self.again.append(report)
        return report


class Reasons(Told):
    def told(self, report):
        if isinstance(report, Lost) and report.reason == "nothing heard of it":
            return replace(report, reason="lost")
        return report


class Mistaken(Told):
    """It names another worker than the one that was dismissed."""

    def told(self, report):
        if isinstance(report, Lost) and report.reason == "stopped":
            return replace(report, worker=report.worker + 100)
        return report


class Roomy(Processes):
    """Events so small that thousands find room."""

    def submit(self, worker, shard):
        if shard.does == "flood" and shard.arguments[0] == 10_000:
            shard = Toy("flood", (10_000, 1, shard.arguments[2]))
        super().submit(worker, shard)


class Hopeful(Stutters):
    """It reports deaths before joining again and again."""

    def start(self, program, source):
        self.dies = program.dies
        return super().start(program, source)

    def told(self, report):
        if self.dies and isinstance(report, Lost):
            self.again.extend([report] * 9)
        return report


class Leaves(Processes):
    def close(self):
        if len(self._places) == 3:
            LEFT.append(self)
        else:
            super().close()


class Slow(Told):
    """It takes its time where nobody has joined."""

    joined = False

    def told(self, report):
        self.joined |= isinstance(report, Joined | Refused)
        return report

    def close(self):
        super().close()
        if not self.joined and len(self._places) == 2:
            time.sleep(5.5)


WRONG = {
    "it_can_be_imported": NoExecutor,
    "all_events_arrive_in_their_order": OtherDevice,
    "workers_can_ask": Deaf,
    "a_program_that_cannot_work_is_refused_in_one_line": Verbose,
    "a_defect_ends_the_run": OtherError,
    "several_work_at_a_time": Alone,
    "no_more_workers_than_help": Many,
    "variables_are_set_for_the_workers_alone": Leaks,
    "what_cannot_travel_is_a_type_error": OtherRefusal,
    "a_killed_worker_is_lost_alone": Silent,
    "a_worker_that_ends_itself_is_lost": Stutters,
    "a_stopped_worker_can_be_dismissed": Reasons,
    "nobody_waits_for_a_stopped_worker": Mistaken,
    "workers_wait_where_nobody_asks": Roomy,
    "workers_that_die_at_once_are_not_replaced_for_ever": Hopeful,
    "no_worker_is_left": Leaves,
    "no_worker_is_left_that_has_not_joined": Slow,
}
"""By the rule that it breaks."""
