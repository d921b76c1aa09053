"""Options that say who watches a run, and the run's audience that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import decorated, option

if TYPE_CHECKING:
    from harness.display import DisplayKind
    from harness.display.audience import Audience


def watching(command: Any) -> Any:
    """The options that say who watches a run."""
    return decorated(
        command,
        option(
            "--progress",
            type=click.Choice(["auto", "rich", "plain", "json"]),
            default="auto",
            help="Progress display on stderr.",
        ),
        option(
            "--observe",
            multiple=True,
            metavar="NAME[:OPTION=VALUE]...",
            help="Tell an observer of the run as it happens; may be repeated.",
        ),
        option(
            "--summary",
            type=click.Path(path_type=Path, dir_okay=False, readable=False),
            metavar="FILE",
            help="Write a JSON summary of the run, also of one that fails.",
        ),
    )


@contextmanager
def audience(
    progress: DisplayKind, observe: Sequence[str], summary: Path | None
) -> Iterator[Audience]:
    """The display, the observers and the summary's file, for as long as the block takes.

    Raises:
        ConfigError: there is no such observer, or it has no such option; or the file cannot be
            written.
    """
    from harness.display import make_display
    from harness.display.audience import Audience
    from harness.display.observers import observers
    from harness.plugins import installed
    from harness.report.summary import document, keeping

    write = keeping(summary) if summary else None
    with make_display(progress) as display, Audience(display, document, write) as told:
        if observe:
            told.invite(observers(observe, installed(), "--observe"))
        yield told
