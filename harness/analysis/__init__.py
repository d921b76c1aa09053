"""Pure functions of stored rows: statistics, the frontier, the board."""
