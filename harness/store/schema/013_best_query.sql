-- The best point over every query of an attack, beside the candidate that it returned.

-- robust or broken, or invalid: its verdict; robust too where no query was adversarial; NULL: not
-- kept
ALTER TABLE outcomes ADD COLUMN best_query_status TEXT;

-- in the attack's norm; NULL: no query was adversarial
ALTER TABLE outcomes ADD COLUMN best_query_distance REAL;

-- forward and backward passes made for the image when it was found
ALTER TABLE outcomes ADD COLUMN best_query_passes INTEGER;

-- JSON: the smallest distance within 1, 2, 5, 10, 20, 50, ... passes, null where there was none yet;
-- it ends with the first number of passes that best_query_passes does not exceed
ALTER TABLE outcomes ADD COLUMN best_query_trace TEXT
