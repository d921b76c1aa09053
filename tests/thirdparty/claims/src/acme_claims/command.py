import click

from harness.api import ConfigError, database_option, format_option, pass_harness


@click.command("weakest")
@click.option("--suite", help="By default the latest run's.")
@database_option
@format_option
@pass_harness
def weakest(harness, suite, db, format):
    """The first line of the leaderboard's end."""
    board = harness.results(db).suite(suite).leaderboard(sort="success")
    rows = [row for row in board if row["success"] is not None]
    if not rows:
        raise ConfigError("no model has been attacked", where=str(db), hint="run a suite first")
    worst = max(rows, key=lambda row: row["success"])
    harness.show([{"model": worst["model"], "success": worst["success"]}], format=format)
