"""How large the parameters may be: beyond, they mean nothing or never end."""

FINEST = 200
"""Halvings of a radius."""
FINER = 50
"""Bisections."""
