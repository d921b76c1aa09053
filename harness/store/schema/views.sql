-- The views for people. A view is defined here alone: a database whose views differ gets these when
-- it is next opened for writing, so a new column of a view needs no migration.
--
-- For their speed: numbers are aggregated before names are joined to them, because SQLite would
-- fetch the names of every row that is counted; and what few queries ask for is a subquery of its
-- own, which the others do not compute. Images that a later run replaced are left out.

CREATE VIEW samples AS
SELECT cells.key AS cell_key, models.name AS model, attacks.name AS attack,
       cells.label AS attack_label, cells.goal AS goal, cells.seed AS seed,
       json_extract(cells.policy, '$.precision') AS numerics,
       datasets.name AS dataset, images.name AS image_id, images.digest AS image_digest,
       images.label AS label, outcomes.target AS target, outcomes.status AS status,
       outcomes.predicted AS predicted, outcomes.margin AS margin, outcomes.confident AS confident,
       outcomes.linf AS linf, outcomes.l2 AS l2, outcomes.l1 AS l1, outcomes.l0 AS l0,
       outcomes.forwards AS forwards, outcomes.backwards AS backwards,
       outcomes.rounded_status AS rounded_status,
       outcomes.rounded_predicted AS rounded_predicted,
       outcomes.rounded_margin AS rounded_margin,
       outcomes.best_query_status AS best_query_status,
       outcomes.best_query_distance AS best_query_distance,
       outcomes.best_query_passes AS best_query_passes,
       outcomes.best_query_trace AS best_query_trace, outcomes.error AS error
FROM outcomes
JOIN cells ON cells.id = outcomes.cell_id
JOIN images ON images.id = outcomes.image_id
JOIN components AS models ON models.id = cells.model_id
JOIN components AS attacks ON attacks.id = cells.attack_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
WHERE images.latest;

CREATE VIEW clean_predictions AS
SELECT cells.key AS cell_key, models.name AS model, datasets.name AS dataset,
       images.name AS image_id, images.label AS label, clean.predicted AS predicted,
       clean.predicted = images.label AS correct, clean.margin AS margin, clean.least AS least,
       clean.second AS second, clean.likeliest AS likeliest, clean.error AS error
FROM clean
JOIN cells ON cells.id = clean.cell_id
JOIN images ON images.id = clean.image_id
JOIN components AS models ON models.id = cells.model_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
WHERE images.latest;

CREATE VIEW leaderboard_rows AS
SELECT cells.key AS cell_key, models.name AS model,
       json_extract(models.about, '$.family') AS family,
       json_extract(models.about, '$.training') AS training,
       json_extract(models.about, '$.parameters') AS parameters, attacks.name AS attack,
       cells.label AS attack_label, cells.goal AS goal, cells.norm AS norm, cells.budget AS budget,
       cells.seed AS seed, json_extract(cells.policy, '$.precision') AS numerics,
       datasets.name AS dataset, accuracies.top1 AS top1, counts.images AS images,
       counts.attacked AS attacked, counts.broken AS broken, counts.failed AS failed,
       1.0 * counts.broken / nullif(counts.attacked, 0) AS success,
       CASE cells.norm WHEN 'linf' THEN counts.linf WHEN 'l2' THEN counts.l2
                       WHEN 'l1' THEN counts.l1 ELSE counts.l0 END AS distortion_mean
FROM (
  SELECT cell_id, count(*) AS images, sum(status IN ('robust', 'broken')) AS attacked,
         sum(status = 'broken') AS broken, sum(status IN ('invalid', 'error')) AS failed,
         avg(CASE status WHEN 'broken' THEN linf END) AS linf,
         avg(CASE status WHEN 'broken' THEN l2 END) AS l2,
         avg(CASE status WHEN 'broken' THEN l1 END) AS l1,
         avg(CASE status WHEN 'broken' THEN l0 END) AS l0
  FROM outcomes WHERE image_id NOT IN (SELECT id FROM images WHERE latest = 0) GROUP BY cell_id
) AS counts
JOIN cells ON cells.id = counts.cell_id
JOIN components AS models ON models.id = cells.model_id
JOIN components AS attacks ON attacks.id = cells.attack_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
LEFT JOIN cells AS own ON own.attack_id IS NULL AND own.model_id = cells.model_id
  AND own.dataset_id = cells.dataset_id AND own.policy = json_set(cells.policy, '$.precision', 'fp32')
LEFT JOIN (
  SELECT clean.cell_id AS cell_id, avg(clean.predicted = images.label) AS top1
  FROM clean JOIN images ON images.id = clean.image_id WHERE images.latest
  GROUP BY clean.cell_id
) AS accuracies ON accuracies.cell_id = own.id;

CREATE VIEW readings AS
SELECT cells.key AS cell_key, models.name AS model, components.name AS measurement,
       cells.label AS measurement_label, cells.goal AS goal, cells.seed AS seed,
       json_extract(cells.policy, '$.precision') AS numerics,
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
WHERE images.latest;

CREATE VIEW transfer_samples AS
SELECT sources.name AS source, targets.name AS target, attacks.name AS attack,
       cells.label AS attack_label, cells.goal AS goal, cells.seed AS seed,
       datasets.name AS dataset, adaptations.border AS border,
       cells.key AS source_cell_key, own.key AS target_cell_key,
       images.name AS image_id, images.digest AS image_digest, images.label AS label,
       (SELECT outcomes.target FROM outcomes WHERE outcomes.cell_id = pairs.source_cell_id
        AND outcomes.image_id = transfers.image_id) AS goal_class,
       (SELECT outcomes.status FROM outcomes WHERE outcomes.cell_id = pairs.source_cell_id
        AND outcomes.image_id = transfers.image_id) AS source_status,
       transfers.predicted AS predicted, transfers.rank AS rank,
       CASE adaptations.border
         WHEN 'none' THEN (SELECT clean.predicted FROM clean
           WHERE clean.cell_id = pairs.target_cell_id AND clean.image_id = transfers.image_id)
         ELSE (SELECT seen.predicted FROM adapted_clean AS seen
           WHERE seen.target_cell_id = pairs.target_cell_id
             AND seen.adaptation_id = pairs.adaptation_id AND seen.image_id = transfers.image_id)
       END AS clean_predicted
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
WHERE images.latest;

CREATE VIEW transfer_pairs AS
SELECT sources.name AS source, targets.name AS target, attacks.name AS attack,
       cells.label AS attack_label, cells.goal AS goal, cells.seed AS seed,
       datasets.name AS dataset, adaptations.border AS border,
       cells.key AS source_cell_key, own.key AS target_cell_key,
       (SELECT count(*) FROM transfers WHERE pair_id = pairs.id
        AND image_id NOT IN (SELECT id FROM images WHERE latest = 0)) AS images,
       (SELECT sum(predicted IS NULL) FROM transfers WHERE pair_id = pairs.id
        AND image_id NOT IN (SELECT id FROM images WHERE latest = 0)) AS failed,
       (SELECT sum(predicted <> label) FROM transfers JOIN images ON images.id = image_id
        WHERE pair_id = pairs.id AND latest) AS wrong,
       CASE cells.goal WHEN 'untargeted' THEN 0
         ELSE (SELECT sum(rank < 1) FROM transfers WHERE pair_id = pairs.id
           AND image_id NOT IN (SELECT id FROM images WHERE latest = 0)) END AS matched_top1,
       CASE cells.goal WHEN 'untargeted' THEN 0
         ELSE (SELECT sum(rank < 5) FROM transfers WHERE pair_id = pairs.id
           AND image_id NOT IN (SELECT id FROM images WHERE latest = 0)) END AS matched_top5,
       CASE adaptations.border
         WHEN 'none' THEN (SELECT sum(clean.predicted = images.label) FROM transfers
           JOIN images ON images.id = transfers.image_id
           JOIN clean ON clean.cell_id = pairs.target_cell_id AND clean.image_id = images.id
           WHERE transfers.pair_id = pairs.id AND images.latest)
         ELSE (SELECT sum(seen.predicted = images.label) FROM transfers
           JOIN images ON images.id = transfers.image_id
           JOIN adapted_clean AS seen ON seen.target_cell_id = pairs.target_cell_id
             AND seen.adaptation_id = pairs.adaptation_id AND seen.image_id = images.id
           WHERE transfers.pair_id = pairs.id AND images.latest)
       END AS clean_correct
FROM pairs
JOIN cells ON cells.id = pairs.source_cell_id
JOIN cells AS own ON own.id = pairs.target_cell_id
JOIN components AS sources ON sources.id = cells.model_id
JOIN components AS targets ON targets.id = own.model_id
JOIN components AS attacks ON attacks.id = cells.attack_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
JOIN adaptations ON adaptations.id = pairs.adaptation_id
WHERE EXISTS (SELECT 1 FROM transfers WHERE pair_id = pairs.id);

CREATE VIEW cells_named AS
SELECT cells.id AS cell_id, cells.key AS cell_key, coalesce(tasks.kind, 'clean') AS kind,
       models.name AS model, json_extract(models.about, '$.family') AS family,
       tasks.name AS attack, cells.label AS attack_label, cells.goal AS goal, cells.seed AS seed,
       json_extract(cells.policy, '$.precision') AS numerics,
       datasets.name AS dataset, cells.norm AS norm, cells.budget AS budget,
       (SELECT count(*) FROM clean WHERE clean.cell_id = cells.id)
       + (SELECT count(*) FROM outcomes WHERE outcomes.cell_id = cells.id)
       + (SELECT count(*) FROM measured WHERE measured.cell_id = cells.id) AS images
FROM cells
JOIN components AS models ON models.id = cells.model_id
JOIN components AS datasets ON datasets.id = cells.dataset_id
LEFT JOIN components AS tasks ON tasks.id = cells.attack_id;

CREATE VIEW class_names AS
SELECT components.name AS dataset, names.key AS label, names.value AS name
FROM components, json_each(components.about, '$.class_names') AS names
WHERE components.id IN (SELECT max(id) FROM components AS datasets WHERE datasets.kind = 'dataset'
  AND json_extract(datasets.about, '$.class_names') IS NOT NULL GROUP BY datasets.name);
