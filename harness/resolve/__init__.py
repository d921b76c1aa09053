"""Names become things: a suite of the registry, with what it needs, becomes a plan."""
