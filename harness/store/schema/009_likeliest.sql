-- Goals may aim at any of the most likely classes.

-- JSON: the five most likely classes, the prediction first; NULL: stored by an earlier version
ALTER TABLE clean ADD COLUMN likeliest TEXT;
