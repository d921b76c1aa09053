"""How large the parameters of measurements may be: beyond, they mean nothing or never end."""

MANY = 1_000_000
"""Samples, steps, restarts."""

FAR = 1e6
"""A distance in pixel units, in any norm."""
