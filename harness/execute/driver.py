"""The driver: submits shards, and has what their workers report stored, until all is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from harness.execute.executors.executor import Done, Executor, Lost
from harness.execute.turn import Turn

_Turn = TypeVar("_Turn", bound=Turn)


class FailFast(Exception):
    """The model of this name failed, and the run is to stop at the first that does."""


def drive(turns: Iterable[_Turn], executor: Executor, ended: Callable[[_Turn], None]) -> None:
    """Do the work of ``turns``, begun in their order; ``ended`` is called with each that is over.

    Raises:
        Exception: what ``ended``, a turn or the executor raised.
    """
    waiting, working = deque(turns), dict[int, _Turn]()

    def submit(turn: _Turn) -> None:
        shard = turn.shard()
        if shard is None:
            ended(turn)
        else:
            working[shard.number] = turn
            executor.submit(shard)

    try:
        while waiting or working:
            while waiting and len(working) < executor.slots:
                submit(waiting.popleft())
            if not working:
                continue
            number, report = executor.next()
            turn = working[number]
            if isinstance(report, Done | Lost):
                if isinstance(report, Done):
                    turn.done()
                else:
                    turn.lost(report.reason)
                del working[number]
                submit(turn)
            else:
                turn.take(report)
    except BaseException as error:
        failed = isinstance(error, Exception) and not isinstance(error, FailFast)
        for turn in working.values():
            turn.broken_off(failed=failed)
        raise
