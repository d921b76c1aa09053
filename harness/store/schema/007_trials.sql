-- What the trials of models found.

CREATE TABLE trials (              -- a few passes of a model, before its work
  cell_id INTEGER PRIMARY KEY REFERENCES cells(id),  -- the model's clean cell
  images INTEGER NOT NULL,
  difference REAL NOT NULL,        -- of two equal passes' logits, a share of the largest logit
  outputs TEXT NOT NULL            -- logits, probabilities, log-probabilities
) STRICT
;
