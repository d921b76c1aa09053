"""The database's schema: STRICT tables with integer keys inside, and views for people.

Migrations are appended, never edited once released. Each runs in a transaction of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlite_utils.migrations import Migrations

from harness.store.measured import MEASURED
from harness.store.named import NAMED
from harness.store.transferred import TRANSFERRED

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
    """Components, runs, cells, clean predictions, outcomes, and the view ``samples``."""
    _script(db, TABLES)
    _script(db, VIEWS)


@migrations()
def m002_rounded(db: Database) -> None:
    """Verdicts on candidates rounded to 8 bits, in ``outcomes`` and ``samples``."""
    _script(db, ROUNDED)


@migrations()
def m003_measured(db: Database) -> None:
    """Measurements' cells: their images, their arrays, and the view ``readings``."""
    _script(db, MEASURED)


@migrations()
def m004_transferred(db: Database) -> None:
    """Transfers of kept sets to other models, and the view ``transfer_pairs``."""
    _script(db, TRANSFERRED)


@migrations()
def m005_named(db: Database) -> None:
    """The views ``cells_named`` and ``transfer_samples``."""
    _script(db, NAMED)


@migrations()
def m006_labels(db: Database) -> None:
    """An image's label becomes part of what makes it the same one."""
    _script(db, LABELS)


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

VIEWS = """
CREATE VIEW samples AS
SELECT cells.key AS cell_key, models.name AS model, attacks.name AS attack,
       cells.label AS attack_label, cells.goal AS goal, cells.seed AS seed,
       datasets.name AS dataset, images.name AS image_id, images.digest AS image_digest,
       images.label AS label, outcomes.target AS target, outcomes.status AS status,
       outcomes.predicted AS predicted, outcomes.margin AS margin, outcomes.confident AS confident,
       outcomes.linf AS linf, outcomes.l2 AS l2, outcomes.l1 AS l1, outcomes.l0 AS l0,
       outcomes.forwards AS forwards, outcomes.backwards AS backwards, outcomes.error AS error
FROM outcomes
JOIN cells ON cells.id = outcomes.cell_id
JOIN images ON images.id = outcomes.image_id
JOIN components AS models ON models.id = cells.model_id
JOIN components AS attacks ON attacks.id = cells.attack_id
JOIN components AS datasets ON datasets.id = cells.dataset_id;

CREATE VIEW clean_predictions AS
SELECT cells.key AS cell_key, models.name AS model, datasets.name AS dataset,
       images.name AS image_id, images.label AS label, clean.predicted AS predicted,
       clean.predicted = images.label AS correct, clean.margin AS margin, clean.least AS least,
       clean.second AS second, clean.error AS error
FROM clean
JOIN cells ON cells.id = clean.cell_id
JOIN images ON images.id = clean.image_id
JOIN components AS models ON models.id = cells.model_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
;

CREATE VIEW leaderboard_rows AS
SELECT cells.key AS cell_key, models.name AS model,
       json_extract(models.about, '$.family') AS family,
       json_extract(models.about, '$.parameters') AS parameters, attacks.name AS attack,
       cells.label AS attack_label, cells.goal AS goal, cells.norm AS norm, cells.seed AS seed,
       datasets.name AS dataset,
       (SELECT avg(clean.predicted = images.label) FROM clean
        JOIN cells AS own ON own.id = clean.cell_id
        JOIN images ON images.id = clean.image_id
        WHERE own.attack_id IS NULL AND own.model_id = cells.model_id
          AND own.dataset_id = cells.dataset_id AND own.policy = cells.policy) AS top1,
       count(*) AS images,
       sum(status IN ('robust', 'broken')) AS attacked,
       sum(status = 'broken') AS broken,
       sum(status IN ('invalid', 'error')) AS failed,
       1.0 * sum(status = 'broken') / nullif(sum(status IN ('robust', 'broken')), 0) AS success,
       avg(CASE WHEN status = 'broken' THEN
           CASE cells.norm WHEN 'linf' THEN linf WHEN 'l2' THEN l2 WHEN 'l1' THEN l1 ELSE l0 END
       END) AS distortion_mean
FROM outcomes
JOIN cells ON cells.id = outcomes.cell_id
JOIN components AS models ON models.id = cells.model_id
JOIN components AS attacks ON attacks.id = cells.attack_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
GROUP BY cells.id
"""

ROUNDED = """
-- robust or broken: the candidate as an 8-bit image; NULL: not judged so
ALTER TABLE outcomes ADD COLUMN rounded_status TEXT CHECK (rounded_status IN ('robust', 'broken'));

-- the class on that image
ALTER TABLE outcomes ADD COLUMN rounded_predicted INTEGER;

-- and its goal margin
ALTER TABLE outcomes ADD COLUMN rounded_margin REAL;

DROP VIEW samples;

CREATE VIEW samples AS
SELECT cells.key AS cell_key, models.name AS model, attacks.name AS attack,
       cells.label AS attack_label, cells.goal AS goal, cells.seed AS seed,
       datasets.name AS dataset, images.name AS image_id, images.digest AS image_digest,
       images.label AS label, outcomes.target AS target, outcomes.status AS status,
       outcomes.predicted AS predicted, outcomes.margin AS margin, outcomes.confident AS confident,
       outcomes.linf AS linf, outcomes.l2 AS l2, outcomes.l1 AS l1, outcomes.l0 AS l0,
       outcomes.forwards AS forwards, outcomes.backwards AS backwards,
       outcomes.rounded_status AS rounded_status,
       outcomes.rounded_predicted AS rounded_predicted,
       outcomes.rounded_margin AS rounded_margin, outcomes.error AS error
FROM outcomes
JOIN cells ON cells.id = outcomes.cell_id
JOIN images ON images.id = outcomes.image_id
JOIN components AS models ON models.id = cells.model_id
JOIN components AS attacks ON attacks.id = cells.attack_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
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
