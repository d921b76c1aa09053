"""datasette on a database: its views are described, and none is interrupted."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html import unescape
from pathlib import Path

import database_toy
import pytest
import yaml

from harness.store.schema.views import views

DOCS = Path(__file__).parents[2] / "docs"
METADATA = yaml.safe_load((DOCS / "datasette.yaml").read_text())
TABLES, QUERIES = (METADATA["databases"]["harness"][kind] for kind in ("tables", "queries"))

ROWS = 290_000
"""Transfers of a whole run of digits18-full: about so many."""


@pytest.fixture(scope="module")
def db(whole_study):
    with closing(sqlite3.connect(f"file:{whole_study}?mode=ro", uri=True)) as connection:
        yield connection


def test_every_view_and_column_is_described(db):
    assert list(TABLES) == list(views())
    for view, about in TABLES.items():
        names = [column[0] for column in db.execute(f"SELECT * FROM {view} LIMIT 1").description]
        assert list(about["columns"]) == names
        assert all([about["description"], *about["columns"].values()])


def test_its_queries_are_those_of_the_documentation():
    documented = re.findall(r"```sql\n(.*?);\n```", (DOCS / "database.md").read_text(), re.S)
    assert [query["sql"] for query in QUERIES.values()] == documented


@pytest.mark.parametrize("view", ["leaderboard_rows", "transfer_pairs", "transfer_samples"])
@pytest.mark.parametrize("query", ["SELECT * FROM {} LIMIT 101", "SELECT count(*) FROM {}"])
def test_a_page_of_a_view_is_a_matter_of_a_blink(db, view, query):
    """In steps of SQLite's machine, of which 0.3 s are some 22 million."""
    assert db.execute("SELECT count(*) FROM transfers").fetchone()[0] > ROWS
    assert database_toy.steps(db, query.format(view)) < 10


def test_all_of_a_view_of_cells_or_pairs(db):
    assert database_toy.steps(db, "SELECT * FROM leaderboard_rows") < 10
    assert database_toy.steps(db, "SELECT * FROM transfer_pairs") < 22


def test_pages(whole_study):
    pytest.importorskip("datasette", reason="datasette is not installed: the extra `dev` has it")
    from datasette.app import Datasette

    async def pages():
        # The limit is the machine's matter; that the steps are few is tested above.
        app = Datasette([str(whole_study)], metadata=METADATA, settings={"sql_time_limit_ms": 9000})
        await app.invoke_startup()
        return {
            name: await app.client.get(f"/harness/{name}?_nosuggest=1")
            for name in (*views(), *QUERIES)
        }  # fmt: skip

    with ThreadPoolExecutor() as pool:  # a browser's tests leave a loop in this thread
        found = pool.submit(lambda: asyncio.run(pages())).result()
    for name, page in found.items():
        assert page.status_code == 200, name
        assert "interrupted" not in page.text
        assert "<td" in page.text
        if name in TABLES:
            assert TABLES[name]["description"] in unescape(page.text)
            assert re.search(r"<title>[^<]*: [\d,]+ rows</title>", page.text)
