"""Which images count: of those of one name in a dataset, that of the latest run.

A file that changed or a label that was corrected is another image. What is stored of the earlier
one stays, and is found again should the file or the label come back; views and leaderboards ignore
it.
"""

from __future__ import annotations

from sqlite3 import Connection

REPLACED = "(SELECT id FROM images WHERE latest = 0)"
"""The images that do not count, in SQL; nearly always there is none."""


def mark_all(connection: Connection) -> None:
    """Find out for all images, where runs are not in the order in which they were stored.

    Within the caller's transaction.
    """
    connection.execute(
        "UPDATE images SET latest = id IN (SELECT image_id FROM (SELECT image_id, max(run_id)"
        " FROM run_images JOIN images ON images.id = image_id GROUP BY dataset_id, name))"
        " WHERE (dataset_id, name) IN"
        " (SELECT dataset_id, name FROM images GROUP BY dataset_id, name HAVING count(*) > 1)"
    )


def mark(connection: Connection, run: int) -> None:
    """The images of ``run``, which is the latest, are now the ones of their names."""
    connection.execute(
        "UPDATE images SET latest = 1 - latest WHERE latest <> (id IN"
        " (SELECT image_id FROM run_images WHERE run_id = ?1)) AND (dataset_id, name) IN"
        " (SELECT dataset_id, name FROM run_images JOIN images ON images.id = image_id"
        "  WHERE run_id = ?1)",
        [run],
    )
