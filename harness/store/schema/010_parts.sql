-- Runs that compute a part of a plan, every n-th of its images.

CREATE TABLE plans (               -- plans that are computed in parts: what makes up the whole
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL UNIQUE,     -- hash of the cells' keys, their numbers of images, the images
  images TEXT NOT NULL             -- JSON: the ids of all images, in plan order
) STRICT;

-- the plan that the run is a part of; NULL: it is not. A part's run_images have the positions of the
-- whole plan, its run_cells the whole plan's numbers of images.
ALTER TABLE runs ADD COLUMN plan_id INTEGER REFERENCES plans(id);

-- which part, from 1
ALTER TABLE runs ADD COLUMN part INTEGER;

-- of how many
ALTER TABLE runs ADD COLUMN parts INTEGER;
