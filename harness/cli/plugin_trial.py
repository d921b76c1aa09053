"""One plugin loaded in a process of its own, which it may end or keep from ending.

``python -m ... DISTRIBUTION:NAME FILE``; the answer is written to the file, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.plugins import discover, plugins
from harness.switches import Plugin


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of it.

    Attributes:
        status: as a report's; or that it hangs, or how its process ended.
        offers: the labels and names of what it registers.
    """

    status: str
    offers: tuple[tuple[str, str], ...] = ()


def try_plugin(plugin: Plugin, seconds: float) -> Trial:
    """Load ``plugin`` in another process, which ends with all that it started after ``seconds``."""
    with tempfile.TemporaryDirectory(prefix="harness-plugin-") as folder:
        answer = Path(folder) / "answer.json"
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(plugin), str(answer)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return Trial(f"hangs: no answer within {seconds:g} s")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not answer.exists():
            return Trial(f"ends the process that loads it ({_how(code)})")
        found = json.loads(answer.read_text("utf-8"))
        return Trial(found["status"], tuple((kind, name) for kind, name in found["offers"]))


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def main(name: str, answer: Path) -> None:
    """Load the plugin ``name`` and write what became of it."""
    (report,) = discover(each for each in plugins() if str(each.plugin) == name).reports
    offers = [(each.kind.label, each.name) for each in report.registered]
    part = answer.with_suffix(".part")
    part.write_text(json.dumps({"status": report.status, "offers": offers}), "utf-8")
    part.replace(answer)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
    os._exit(0)  # what it started may not end
