"""The tables of measurements, and their view for people: the third migration's script.

A measurement's cell names its component, of kind ``measurement``, in ``cells.attack_id``; its
numbers are in ``measurements``, as an attack's further ones.
"""

from __future__ import annotations

MEASURED = """
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

CREATE INDEX measured_image ON measured(image_id);

CREATE VIEW readings AS
SELECT cells.key AS cell_key, models.name AS model, components.name AS measurement,
       cells.label AS measurement_label, cells.goal AS goal, cells.seed AS seed,
       datasets.name AS dataset, images.name AS image_id, images.digest AS image_digest,
       images.label AS label, measured.target AS target, measured.status AS status,
       measurements.name AS name, measurements.value AS value,
       measured.forwards AS forwards, measured.backwards AS backwards, measured.error AS error
FROM measured
JOIN cells ON cells.id = measured.cell_id
JOIN images ON images.id = measured.image_id
JOIN components ON components.id = cells.attack_id
JOIN components AS models ON models.id = cells.model_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
LEFT JOIN measurements ON measurements.cell_id = measured.cell_id
  AND measurements.image_id = measured.image_id
"""
