"""The ``harness`` command: verbs are imported only when they are called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

from harness import signals
from harness.cli.verbs import VERBS
from harness.cli.warned import one_line_warnings
from harness.errors import ExitCode, HarnessError
from harness.exhausted import exhausted
from harness.terminal import echo
from harness.version import __version__


class Verbs(click.Group):
    """A group that knows its verbs by name and imports a verb's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = getattr(importlib.import_module(VERBS[name].module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from harness.plugins import unknown

            raise unknown("command", args[0], VERBS, see="`harness --help`")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


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
    with signals.handled():
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
        if _debugging(argv):
            raise
        echo(f"error: {error}", err=True)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "harness"
        echo(f"error: {error.format_message()} See `{command} --help`.", err=True)
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        if signals.asked() or _debugging(argv):
            raise
        echo("error: a plugin raised KeyboardInterrupt; --debug shows where", err=True)
        return ExitCode.PLUGIN
    except (OSError, MemoryError, ImportError, RuntimeError) as error:
        missing = exhausted(error)
        if missing is None or _debugging(argv):
            raise
        echo(f"error: {missing}", err=True)
        return missing.exit_code
    return code if isinstance(code, int) else ExitCode.OK


def _debugging(argv: Sequence[str]) -> bool:
    import os

    return "--debug" in argv or bool(os.environ.get("HARNESS_DEBUG"))
