-- Which images a later run found with another file or label.

-- 0: a later run found another file or label under this name
ALTER TABLE images ADD COLUMN latest INTEGER NOT NULL DEFAULT 1 CHECK (latest IN (0, 1));

CREATE INDEX images_replaced ON images(id) WHERE latest = 0
;

UPDATE images SET latest = id IN (
  SELECT image_id FROM (
    SELECT image_id, max(run_id) FROM run_images JOIN images ON images.id = image_id
    GROUP BY dataset_id, name
  )
) WHERE (dataset_id, name) IN (
  SELECT dataset_id, name FROM images GROUP BY dataset_id, name HAVING count(*) > 1
);
