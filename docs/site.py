"""MkDocs hooks: pages that are made from the repository, so that they cannot disagree with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

import harness
from harness.cli.main import cli

PROJECT = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
COMMANDS, LIBRARY = "<!-- commands -->", "<!-- library -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    root = Path(config.config_file_path).parent
    for name in PROJECT:
        text = (root / name).read_text().replace("](docs/", "](")
        files.append(File.generated(config, name.lower(), content=text))
    decisions = sorted((root / "docs" / "decisions").glob("[0-9]*.md"))
    for path in decisions:  # reached from their list, not from the menu
        files.src_uris[f"decisions/{path.name}"].inclusion = InclusionLevel.NOT_IN_NAV
    files.append(File.generated(config, "decisions/index.md", content=_index(decisions)))
    files.append(File.generated(config, "llms.txt", content=_summary(config)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    for name in PROJECT:
        markdown = re.sub(rf"\]\((\.\./)?{name}", f"]({name.lower()}", markdown)
    if COMMANDS in markdown:
        with click.Context(cli, info_name="harness") as context:
            markdown = markdown.replace(COMMANDS, "\n".join(_reference(cli, context, 2)))
    names = (name for name in harness.__all__ if not name.startswith("_"))
    return markdown.replace(LIBRARY, "\n".join(f"::: harness.{name}\n" for name in names))


def _index(decisions: list[Path]) -> str:
    titles = (path.read_text().partition("\n")[0].lstrip("# ") for path in decisions)
    entries = (f"- [{title}]({path.name})\n" for title, path in zip(titles, decisions, strict=True))
    return "# Decisions\n\nWhy some things are as they are.\n\n" + "".join(entries)


def _summary(config: MkDocsConfig) -> str:
    """The file llms.txt: what the site is, and its pages with their titles."""
    folder = Path(config.docs_dir)
    titles = {
        path: path.read_text().partition("\n")[0].lstrip("# ") for path in folder.glob("*.md")
    }
    pages = (f"- [{title}]({path.stem}.html)" for path, title in sorted(titles.items()))
    return "\n".join([f"# {config.site_name}", "", f"> {config.site_description}", "", *pages, ""])


def _reference(command: click.Command, context: click.Context, depth: int) -> Iterator[str]:
    """The Markdown of a command: its help, usage and options, then its commands."""
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{'#' * depth} {context.command_path}\n"
    yield f"{(command.help or '').replace(chr(8), '').strip()}\n"
    yield f"```text\n{context.command_path} {usage}\n```\n"
    options = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    rows = [row for option in options if (row := _row(option, context))]
    yield "| option | what it does |\n|---|---|\n" + "\n".join(rows) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            below = click.Context(inner, info_name=name, parent=context)
            yield from _reference(inner, below, min(depth + 1, 4))


def _row(option: click.Option, context: click.Context) -> str | None:
    record = option.get_help_record(context)
    if record is None or "--help" in option.opts:
        return None
    names, text = record
    return f"| `{names}` | {text.replace('|', '&#124;').replace('<', '&lt;')} |"
