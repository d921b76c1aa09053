"""A process that has imported everything and forks for each command: what may die costs little.

Each line of stdin is JSON: the folder, the file for stderr, RUDE, the arguments, and where the
plugin is installed. The answer is the wait status.
"""

from __future__ import annotations

import json
import os
import sys

import harness.cli.run
import harness.display
import harness.execute.run
import harness.store.write.writer  # noqa: F401
from harness.cli.main import main


def work(folder: str, log: str, rude: str, arguments: list[str], site: str) -> None:
    sys.path.insert(0, site)
    os.chdir(folder)
    os.environ["RUDE"] = rude
    with open(log, "w") as file:  # noqa: PTH123
        os.dup2(file.fileno(), 2)
    main(arguments)


if __name__ == "__main__":  # processes of the crew import it too
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(*json.loads(line))
        print(os.waitpid(child, 0)[1], flush=True)
