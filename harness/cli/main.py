"""The ``harness`` command: verbs are imported only when they are called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from harness import signals, traces
from harness.cli.extensible import CALLED, LOANS, Extensible
from harness.cli.warned import one_line_warnings
from harness.contained import cause
from harness.errors import ExitCode, HarnessError, PluginError
from harness.exhausted import exhausted
from harness.terminal import echo, events, fail
from harness.verbs import VERBS
from harness.version import __version__

if TYPE_CHECKING:
    from harness.plugins import Registration


class Verbs(Extensible):
    """A group that knows its verbs by name and imports a verb's module when it is called."""

    @property
    def _before(self) -> str:
        return ""

    def own(self) -> Mapping[str, str]:
        return {name: verb.summary for name, verb in VERBS.items()}

    def own_command(self, ctx: click.Context, name: str) -> click.Command | None:
        command: click.Command = getattr(importlib.import_module(VERBS[name].module), name)
        if ctx.resilient_parsing:
            from harness.cli.completion import offer_names

            offer_names(command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Call a verb; a plugin's answers for what it raises and returns."""
        try:
            with ExitStack() as ctx.meta[LOANS]:
                code = super().invoke(ctx)
        except _MEANT:
            raise
        except BaseException as error:
            if CALLED not in ctx.meta or signals.asked() or exhausted(error) is not None:
                raise
            if isinstance(error, SystemExit) and isinstance(error.code, int | None):
                return error.code or ExitCode.OK
            called: Registration = ctx.meta[CALLED]
            raise PluginError(cause(f"command {called.name!r}", error), where=called.who) from error
        return code if CALLED not in ctx.meta or _is_code(code) else ExitCode.OK


_MEANT = (HarnessError, click.ClickException, click.Abort, click.exceptions.Exit)
"""How commands end that do not succeed; everything else is a mistake."""


def _is_code(value: object) -> bool:
    return (type(value) is int and 0 <= value <= 255) or isinstance(value, ExitCode)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="frontier-harness", prog_name="harness")
@click.option("--debug", is_flag=True, envvar="HARNESS_DEBUG", help="Show tracebacks.")
def cli(debug: bool) -> None:
    """Benchmark the adversarial robustness of image classifiers against their accuracy."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with a code of `ExitCode`.

    Expected failures end in one line on stderr. A traceback is for our own bugs, or for --debug.
    """
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if "_HARNESS_COMPLETE" in os.environ:
        from harness.cli.completion import complete

        if complete(cli):
            sys.exit(ExitCode.OK)
    debugging = traces.asked_for("--debug" in argv)
    with signals.handled(), events(wanted=_in_json(argv)), debugging:
        try:
            code = _code(argv)
        except BaseException:
            if not signals.asked():
                raise
        if signals.asked():
            echo(signals.MESSAGE, err=True)
            code = ExitCode.INTERRUPTED
    sys.exit(code)


def _code(argv: Sequence[str]) -> int:
    """Call the verb; the one line for what went wrong."""
    try:
        with one_line_warnings():
            code = cli.main(argv, prog_name="harness", standalone_mode=False)
    except HarnessError as error:
        if traces.wanted():
            raise
        fail(str(error), error.exit_code)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "harness"
        fail(f"{error.format_message()} See `{command} --help`.", ExitCode.USAGE)
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        if signals.asked() or traces.wanted():
            raise
        fail("a plugin raised KeyboardInterrupt; --debug shows where", ExitCode.PLUGIN)
        return ExitCode.PLUGIN
    except (OSError, MemoryError, ImportError, RuntimeError) as error:
        missing = exhausted(error)
        if missing is None or traces.wanted():
            raise
        fail(str(missing), missing.exit_code)
        return missing.exit_code
    return code if isinstance(code, int) else ExitCode.OK


def _in_json(argv: Sequence[str]) -> bool:
    """Whether a program reads stderr: ``run --progress json``, known before options are parsed."""
    if argv[:1] == ["--debug"]:
        argv = argv[1:]
    if argv[:1] != ["run"]:
        return False
    given = [
        after if word == "--progress" else word.removeprefix("--progress=")
        for word, after in zip(argv, [*argv[1:], ""], strict=True)
        if word == "--progress" or word.startswith("--progress=")
    ]
    return (given[-1] if given else os.environ.get("HARNESS_PROGRESS")) == "json"
