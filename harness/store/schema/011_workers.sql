-- Who computes a run, and where.

CREATE TABLE workers (             -- the workers of a run, as they were last heard of
  run_id INTEGER NOT NULL REFERENCES runs(id),
  number INTEGER NOT NULL,         -- the worker's own within the run; one in its place has another
  host TEXT NOT NULL,
  device TEXT NOT NULL,            -- such as cuda:0 NVIDIA H100
  joined TEXT NOT NULL,            -- UTC
  heard TEXT NOT NULL,             -- UTC; a worker that is alive is heard of every second or so
  model TEXT,                      -- what it is at; NULL: it waits, or is gone
  task TEXT,                       -- of the model, for people
  images INTEGER NOT NULL,         -- that it has done
  images_per_second REAL,          -- lately; NULL: not known yet
  ended TEXT,                      -- how it was lost, in a few words; NULL: it was not
  PRIMARY KEY (run_id, number)
) STRICT;
