"""A run: what is pending, where it is computed, and who writes it down."""
