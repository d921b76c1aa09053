"""Pure functions of stored rows: statistics, frontiers, leaderboards, transfer."""
