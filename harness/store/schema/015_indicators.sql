-- More of what the trials of models found.

-- largest difference of logits after every value was changed by 1e-4, a share of the largest logit
ALTER TABLE trials ADD COLUMN nearby REAL;

-- how far a margin's gradient is from difference quotients, a share of its length; NULL: it has none
ALTER TABLE trials ADD COLUMN gradient_error REAL;

-- whether the forward pass computes gradients of its own
ALTER TABLE trials ADD COLUMN dynamic INTEGER CHECK (dynamic IN (0, 1));
