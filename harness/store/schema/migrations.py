"""The database's schema: STRICT tables with integer keys inside; its views are `standing`'s.

Migrations are appended, never edited once released. Each runs in a transaction of its own, without
views: an older version's would stand in the way of a table that is made anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlite_utils.migrations import Migrations

from harness.store.schema.latest import MARK_ALL
from harness.store.schema.measured import MEASURED
from harness.store.schema.transferred import TRANSFERRED

if TYPE_CHECKING:
    from sqlite_utils import Database

migrations = Migrations("harness")


def _script(db: Database, script: str) -> None:
    """Run a script statement by statement: ``executescript`` would end the transaction."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


@migrations()
def m001_initial(db: Database) -> None:
    """Components, runs, cells, clean predictions and outcomes."""
    _script(db, TABLES)


@migrations()
def m002_rounded(db: Database) -> None:
    """Verdicts on candidates rounded to 8 bits."""
    _script(db, ROUNDED)


@migrations()
def m003_measured(db: Database) -> None:
    """Measurements' cells: their images and their arrays."""
    _script(db, MEASURED)


@migrations()
def m004_transferred(db: Database) -> None:
    """Transfers of kept sets to other models."""
    _script(db, TRANSFERRED)


@migrations()
def m005_named(db: Database) -> None:
    """Two more views, which no migration makes any more."""


@migrations()
def m006_labels(db: Database) -> None:
    """An image's label becomes part of what makes it the same one."""
    _script(db, LABELS)


@migrations()
def m007_trials(db: Database) -> None:
    """What the trials of models found."""
    _script(db, TRIALS)


@migrations()
def m008_latest(db: Database) -> None:
    """Which images a later run found with another file or label."""
    _script(db, LATEST)
    db.execute(MARK_ALL)


TABLES = """
CREATE TABLE components (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,              -- model, dataset, attack
  name TEXT NOT NULL,
  digest TEXT NOT NULL,            -- hash of kind and identity
  identity TEXT NOT NULL,          -- JSON: what makes results differ
  about TEXT NOT NULL,             -- JSON: facts that do not (family, parameters, plugin, ...)
  UNIQUE (kind, digest)
) STRICT;

CREATE TABLE environments (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,
  facts TEXT NOT NULL              -- JSON: versions of Python, torch and plugins, platform
) STRICT;

CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  suite TEXT NOT NULL,
  definition TEXT NOT NULL,        -- JSON: the resolved suite
  command TEXT NOT NULL,           -- JSON: the command line
  seed INTEGER NOT NULL,
  environment_id INTEGER NOT NULL REFERENCES environments(id),
  started TEXT NOT NULL,           -- UTC, ISO 8601
  finished TEXT,
  status TEXT NOT NULL,            -- running, done, failed, interrupted
  exit_code INTEGER
) STRICT;

CREATE TABLE images (
  id INTEGER PRIMARY KEY,
  dataset_id INTEGER NOT NULL REFERENCES components(id),
  name TEXT NOT NULL,              -- the image id within the data set
  digest TEXT NOT NULL,            -- SHA-256 of the source; empty where it cannot be read
  label INTEGER NOT NULL,          -- 0-based class
  UNIQUE (dataset_id, name, digest)
) STRICT;

CREATE TABLE cells (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,        -- tagged content hash: see harness/plan.py
  model_id INTEGER NOT NULL REFERENCES components(id),
  dataset_id INTEGER NOT NULL REFERENCES components(id),
  attack_id INTEGER REFERENCES components(id),  -- NULL: the model's clean cell
  label TEXT NOT NULL,             -- the attack with its parameters; 'clean'
  goal TEXT,
  seed INTEGER,
  policy TEXT NOT NULL,            -- JSON: the numeric policy
  norm TEXT,
  budget REAL                      -- declared epsilon; NULL: minimum distortion
) STRICT;

CREATE TABLE run_images (          -- the images of a run, in plan order
  run_id INTEGER NOT NULL REFERENCES runs(id),
  position INTEGER NOT NULL,
  image_id INTEGER NOT NULL REFERENCES images(id),
  PRIMARY KEY (run_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_cells (           -- a run's cells; each takes the first ``images`` of the run's
  run_id INTEGER NOT NULL REFERENCES runs(id),
  cell_id INTEGER NOT NULL REFERENCES cells(id),
  images INTEGER NOT NULL,
  PRIMARY KEY (run_id, cell_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (           -- files of kept candidates, beside the database
  id INTEGER PRIMARY KEY,
  cell_id INTEGER NOT NULL REFERENCES cells(id),
  path TEXT NOT NULL,              -- relative to the artifact folder
  shape TEXT NOT NULL,             -- JSON: [channels, height, width]
  images INTEGER,                  -- NULL: a shard that still grows
  sha256 TEXT,                     -- of the sealed file; equal files have several rows
  bytes INTEGER
) STRICT;

CREATE TABLE attempts (            -- one stretch of work on a cell
  id INTEGER PRIMARY KEY,
  cell_id INTEGER NOT NULL REFERENCES cells(id),
  run_id INTEGER NOT NULL REFERENCES runs(id),
  started TEXT NOT NULL,
  finished TEXT,
  status TEXT NOT NULL,            -- running, done, failed, interrupted
  device TEXT NOT NULL,
  batch_size INTEGER NOT NULL,     -- as asked for or chosen
  halvings INTEGER NOT NULL DEFAULT 0,  -- times it was halved for lack of memory
  seconds REAL,
  error TEXT                       -- one line: plugin, stage, cause
) STRICT;

CREATE TABLE clean (               -- clean predictions: the clean cell's rows
  cell_id INTEGER NOT NULL REFERENCES cells(id),
  image_id INTEGER NOT NULL REFERENCES images(id),
  attempt_id INTEGER NOT NULL REFERENCES attempts(id),
  predicted INTEGER,               -- NULL: it failed
  margin REAL,                     -- true class's logit minus the largest other one
  least INTEGER,                   -- least likely class
  second INTEGER,                  -- most likely class besides the prediction
  error TEXT,
  PRIMARY KEY (cell_id, image_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcomes (
  cell_id INTEGER NOT NULL REFERENCES cells(id),
  image_id INTEGER NOT NULL REFERENCES images(id),
  attempt_id INTEGER NOT NULL REFERENCES attempts(id),
  status TEXT NOT NULL CHECK (status IN ('clean_wrong', 'robust', 'broken', 'invalid', 'error')),
  target INTEGER,                  -- class to reach; NULL for untargeted
  predicted INTEGER,               -- on the candidate
  margin REAL,                     -- goal margin on the candidate; positive: reached
  confident INTEGER NOT NULL,      -- margin >= kappa
  linf REAL,                       -- candidate minus image, pixel space
  l2 REAL,
  l1 REAL,
  l0 INTEGER,                      -- changed values
  forwards INTEGER NOT NULL,       -- image passes the attack made
  backwards INTEGER NOT NULL,
  artifact_id INTEGER REFERENCES artifacts(id),  -- kept candidate, float32
  artifact_row INTEGER,
  error TEXT,
  PRIMARY KEY (cell_id, image_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE measurements (        -- an attack's further numbers for each image
  cell_id INTEGER NOT NULL REFERENCES cells(id),
  image_id INTEGER NOT NULL REFERENCES images(id),
  name TEXT NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (cell_id, image_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE scores (              -- metrics of a cell, over the images of a run
  run_id INTEGER NOT NULL REFERENCES runs(id),
  cell_id INTEGER NOT NULL REFERENCES cells(id),
  metric TEXT NOT NULL,
  value REAL,
  images INTEGER NOT NULL,
  unit TEXT NOT NULL,
  PRIMARY KEY (run_id, cell_id, metric)
) STRICT, WITHOUT ROWID;

CREATE TABLE plugin_errors (
  id INTEGER PRIMARY KEY,
  run_id INTEGER NOT NULL REFERENCES runs(id),
  plugin TEXT NOT NULL,
  distribution TEXT NOT NULL,
  version TEXT NOT NULL,
  stage TEXT NOT NULL,
  cause TEXT NOT NULL
) STRICT;

CREATE INDEX outcomes_image ON outcomes(image_id);
CREATE INDEX run_cells_cell ON run_cells(cell_id);
CREATE INDEX attempts_cell ON attempts(cell_id)
"""

ROUNDED = """
-- robust or broken: the candidate as an 8-bit image; NULL: not judged so
ALTER TABLE outcomes ADD COLUMN rounded_status TEXT CHECK (rounded_status IN ('robust', 'broken'));

-- the class on that image
ALTER TABLE outcomes ADD COLUMN rounded_predicted INTEGER;

-- and its goal margin
ALTER TABLE outcomes ADD COLUMN rounded_margin REAL
"""

LABELS = """
-- without it a table of that name cannot be renamed while views name the one that was dropped
PRAGMA legacy_alter_table = ON;

CREATE TABLE images_labelled (
  id INTEGER PRIMARY KEY,
  dataset_id INTEGER NOT NULL REFERENCES components(id),
  name TEXT NOT NULL,              -- the image id within the data set
  digest TEXT NOT NULL,            -- SHA-256 of the source; empty where it cannot be read
  label INTEGER NOT NULL,          -- 0-based class; a mended one is another image
  UNIQUE (dataset_id, name, digest, label)
) STRICT;

INSERT INTO images_labelled (id, dataset_id, name, digest, label)
SELECT id, dataset_id, name, digest, label FROM images;

DROP TABLE images;

ALTER TABLE images_labelled RENAME TO images;

PRAGMA legacy_alter_table = OFF
"""

TRIALS = """
CREATE TABLE trials (              -- a few passes of a model, before its work
  cell_id INTEGER PRIMARY KEY REFERENCES cells(id),  -- the model's clean cell
  images INTEGER NOT NULL,
  difference REAL NOT NULL,        -- of two equal passes' logits, a share of the largest logit
  outputs TEXT NOT NULL            -- logits, probabilities, log-probabilities
) STRICT
"""

LATEST = """
-- 0: a later run found another file or label under this name
ALTER TABLE images ADD COLUMN latest INTEGER NOT NULL DEFAULT 1 CHECK (latest IN (0, 1));

CREATE INDEX images_replaced ON images(id) WHERE latest = 0
"""
