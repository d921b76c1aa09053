-- Components, runs, cells, clean predictions and outcomes.

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
;
