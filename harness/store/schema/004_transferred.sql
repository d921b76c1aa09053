-- Transfers of saved adversarial examples to other models. A pair is a source's attack cell and a
-- target, which is the target model's clean cell: so its weights, dataset and numerics are part of
-- the pair, as they are of any cell.

CREATE TABLE adaptations (         -- how pictures of a source become a target's
  id INTEGER PRIMARY KEY,
  height INTEGER NOT NULL,         -- of the source's pictures
  width INTEGER NOT NULL,
  cut TEXT NOT NULL,               -- JSON: how readers that follow the model cut them, or null
  border TEXT NOT NULL,            -- white, grey; none: source and target see the same pictures
  UNIQUE (height, width, cut, border)
) STRICT;

CREATE TABLE pairs (               -- a source's kept set on a target model
  id INTEGER PRIMARY KEY,
  source_cell_id INTEGER NOT NULL REFERENCES cells(id),
  target_cell_id INTEGER NOT NULL REFERENCES cells(id),  -- the target's clean cell
  adaptation_id INTEGER NOT NULL REFERENCES adaptations(id),
  UNIQUE (source_cell_id, target_cell_id, adaptation_id)
) STRICT;

CREATE TABLE transfers (
  pair_id INTEGER NOT NULL REFERENCES pairs(id),
  image_id INTEGER NOT NULL REFERENCES images(id),
  predicted INTEGER,               -- by the target; NULL: it returned NaN or infinity
  rank INTEGER,                    -- of the goal's class (untargeted: the true one); 0: the top
  PRIMARY KEY (pair_id, image_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE adapted_clean (       -- the source's clean pictures on the target; not for border none
  target_cell_id INTEGER NOT NULL REFERENCES cells(id),
  adaptation_id INTEGER NOT NULL REFERENCES adaptations(id),
  image_id INTEGER NOT NULL REFERENCES images(id),
  predicted INTEGER,               -- NULL: it failed
  PRIMARY KEY (target_cell_id, adaptation_id, image_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX pairs_target ON pairs(target_cell_id)
;
