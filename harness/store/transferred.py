"""The tables of transfers, and their view for people: the fourth migration's script.

A pair is a source's attack cell and a target, which is the target model's clean cell: so its
weights, data set and numeric policy are part of the pair, as they are of any cell.
"""

from __future__ import annotations

TRANSFERRED = """
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

CREATE INDEX pairs_target ON pairs(target_cell_id);

CREATE VIEW transfer_pairs AS
SELECT sources.name AS source, targets.name AS target, attacks.name AS attack,
       cells.label AS attack_label, cells.goal AS goal, cells.seed AS seed,
       datasets.name AS dataset, adaptations.border AS border,
       cells.key AS source_cell_key, own.key AS target_cell_key,
       count(*) AS images,
       sum(transfers.predicted IS NULL) AS failed,
       sum(transfers.predicted <> images.label) AS wrong,
       sum(outcomes.target IS NOT NULL AND transfers.rank < 1) AS matched_top1,
       sum(outcomes.target IS NOT NULL AND transfers.rank < 5) AS matched_top5,
       sum(CASE adaptations.border WHEN 'none' THEN clean.predicted
           ELSE adapted_clean.predicted END = images.label) AS clean_correct
FROM pairs
JOIN transfers ON transfers.pair_id = pairs.id
JOIN images ON images.id = transfers.image_id
JOIN cells ON cells.id = pairs.source_cell_id
JOIN cells AS own ON own.id = pairs.target_cell_id
JOIN components AS sources ON sources.id = cells.model_id
JOIN components AS targets ON targets.id = own.model_id
JOIN components AS attacks ON attacks.id = cells.attack_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
JOIN adaptations ON adaptations.id = pairs.adaptation_id
JOIN outcomes ON outcomes.cell_id = pairs.source_cell_id AND outcomes.image_id = images.id
LEFT JOIN clean ON clean.cell_id = pairs.target_cell_id AND clean.image_id = images.id
LEFT JOIN adapted_clean ON adapted_clean.target_cell_id = pairs.target_cell_id
  AND adapted_clean.adaptation_id = pairs.adaptation_id AND adapted_clean.image_id = images.id
GROUP BY pairs.id
"""
