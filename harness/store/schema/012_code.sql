-- What code of third parties' plugins an attempt worked with.

-- JSON: a hash of the source of each plugin component that did not come with the harness, by kind
-- and name, such as {"attack acme-noise": "3f..."}; NULL: all came with it, or it is not known
ALTER TABLE attempts ADD COLUMN code TEXT
