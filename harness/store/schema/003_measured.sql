-- Measurements' cells: their images and their arrays. A measurement's cell names its component, of
-- kind ``measurement``, in ``cells.attack_id``; its numbers are in ``measurements``, as an attack's
-- further ones.

CREATE TABLE measured (            -- the images of a measurement's cell; numbers: measurements
  cell_id INTEGER NOT NULL REFERENCES cells(id),
  image_id INTEGER NOT NULL REFERENCES images(id),
  attempt_id INTEGER NOT NULL REFERENCES attempts(id),
  status TEXT NOT NULL CHECK (status IN ('measured', 'clean_wrong', 'invalid', 'error')),
  target INTEGER,                  -- the goal's class; NULL for untargeted
  forwards INTEGER NOT NULL,       -- passes that the measurement made
  backwards INTEGER NOT NULL,
  error TEXT,                      -- one line: why it is invalid, or what failed
  PRIMARY KEY (cell_id, image_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE arrays (              -- what numbers were computed from, such as CLEVER's maxima
  cell_id INTEGER NOT NULL REFERENCES cells(id),
  image_id INTEGER NOT NULL REFERENCES images(id),
  name TEXT NOT NULL,
  data BLOB NOT NULL,              -- float32, little-endian
  PRIMARY KEY (cell_id, image_id, name)
) STRICT;

CREATE INDEX measured_image ON measured(image_id)
;
