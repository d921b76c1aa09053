"""A loss is climbed within a ball: PGD and APGD."""
