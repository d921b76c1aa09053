-- An image's label becomes part of what makes it the same one.

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

PRAGMA legacy_alter_table = OFF;
