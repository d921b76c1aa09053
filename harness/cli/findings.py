"""``harness findings``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.options import database, option, output_format
from harness.cli.printing import show
from harness.cli.verbs import verb

if TYPE_CHECKING:
    from pathlib import Path

    from harness.report.presentation import Format


@verb("findings")
@database()
@option("--suite", metavar="NAME", help="Suite; default: that of the latest run.")
@output_format()
def findings(db: Path, suite: str | None, format: Format) -> None:
    """Plugins make the claims. Each has a figure, its 95% interval and a verdict: holds, does not
    hold, or not enough data, which also means an interval that lies on both sides of the claim; a
    finding that fails has the verdict error. The footnotes explain the rule. Verdicts are results:
    the exit code is 0 whatever they are. With --format json or csv the footnotes go to stderr.
    """
    from harness.analysis.evidence import gather
    from harness.analysis.findings import check
    from harness.analysis.results import Results
    from harness.plugins import installed
    from harness.report.findings import presentation
    from harness.store.database import snapshot

    with snapshot(db) as stored:
        results = Results(stored.conn).suite(suite)
        evidence = gather(results)
    found = presentation(results.name, check(evidence, installed()), evidence.notes)
    show(found.of(db), format)
