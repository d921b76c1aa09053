"""Two more views for people: cells with their names, and transfers image by image."""

from __future__ import annotations

NAMED = """
CREATE VIEW cells_named AS
SELECT cells.id AS cell_id, cells.key AS cell_key, coalesce(tasks.kind, 'clean') AS kind,
       models.name AS model, json_extract(models.about, '$.family') AS family,
       tasks.name AS attack, cells.label AS attack_label, cells.goal AS goal, cells.seed AS seed,
       datasets.name AS dataset, cells.norm AS norm, cells.budget AS budget,
       (SELECT count(*) FROM clean WHERE clean.cell_id = cells.id)
       + (SELECT count(*) FROM outcomes WHERE outcomes.cell_id = cells.id)
       + (SELECT count(*) FROM measured WHERE measured.cell_id = cells.id) AS images
FROM cells
JOIN components AS models ON models.id = cells.model_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
LEFT JOIN components AS tasks ON tasks.id = cells.attack_id;

CREATE VIEW transfer_samples AS
SELECT sources.name AS source, targets.name AS target, attacks.name AS attack,
       cells.label AS attack_label, cells.goal AS goal, cells.seed AS seed,
       datasets.name AS dataset, adaptations.border AS border,
       cells.key AS source_cell_key, own.key AS target_cell_key,
       images.name AS image_id, images.digest AS image_digest, images.label AS label,
       outcomes.target AS goal_class, outcomes.status AS source_status,
       transfers.predicted AS predicted, transfers.rank AS rank,
       CASE adaptations.border WHEN 'none' THEN clean.predicted
       ELSE adapted_clean.predicted END AS clean_predicted
FROM transfers
JOIN pairs ON pairs.id = transfers.pair_id
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
"""
