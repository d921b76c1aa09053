-- Verdicts on candidates rounded to 8 bits.

-- robust or broken: the candidate as an 8-bit image; NULL: not judged so
ALTER TABLE outcomes ADD COLUMN rounded_status TEXT CHECK (rounded_status IN ('robust', 'broken'));

-- the class on that image
ALTER TABLE outcomes ADD COLUMN rounded_predicted INTEGER;

-- and its goal margin
ALTER TABLE outcomes ADD COLUMN rounded_margin REAL;
