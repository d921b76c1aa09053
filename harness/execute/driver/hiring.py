"""Who does the work of a run: an executor is chosen and started, and its workers are waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.api import ConfigError, Placement, Program, Source, Watch
from harness.cores import usable_cores
from harness.engine.device import count_gpus
from harness.execute.driver.crew import Crew
from harness.execute.driver.provision import plugins_of
from harness.execute.executors.choice import choose, executor_of, helpful
from harness.execute.executors.names import AUTO
from harness.execute.pending import Pending
from harness.execute.session import Settings
from harness.planning import Plan
from harness.plugins import Catalog, is_bundled


class Hiring:
    """What is known of a run before it has workers.

    Args:
        watch: is told what a worker in this process is at.
        say: called with each line that people should read.
    """

    def __init__(
        self, settings: Settings, catalog: Catalog, watch: Watch, say: Callable[[str], None]
    ) -> None:
        self._settings, self._catalog = settings, catalog
        self._watch, self._say = watch, say

    @contextmanager
    def crew(self, plan: Plan, left: Pending, program: Program, source: Source) -> Iterator[Crew]:
        """The workers for what is left of the plan; none is left behind.

        Where no executor was asked for, and what the run needs cannot travel to other processes,
        the worker is in this one.

        Raises:
            ConfigError: there is no such executor, it cannot do what is asked, or the run's plugins
            cannot travel to its workers. HarnessError: it, or a worker of its, cannot work.
        """
        asked = self._settings.executor
        name, placement = choose(
            asked,
            self._settings.placement,
            helpful=helpful(plan, left.cells, usable_cores()),
            pending=left.images + sum(count for _, count in left.transfers),
            gpus=count_gpus(),
            guests=not all(map(is_bundled, plugins_of(plan))),
        )
        with executor_of(name, placement, self._catalog, self._watch) as executor:
            try:
                began = executor.start(program, source)
            except TypeError as error:
                why = str(error)
            else:
                for note in began.notes:
                    self._say(note)
                yield Crew(executor, began.workers, self._say)
                return
        what = f"executor {name}: what the run needs cannot be sent to its workers: {why}"
        if asked != AUTO:
            raise ConfigError(what, where="--executor", hint="use --executor inline")
        self._say(f"{what}; one worker in this process does it")
        alone = Placement(devices=placement.devices.first, most=1)
        with executor_of("inline", alone, self._catalog, self._watch) as executor:
            yield Crew(executor, executor.start(program, source).workers, self._say)
