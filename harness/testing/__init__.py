"""Fakes for tests of the harness and of plugins."""
