"""The study's claims, one file for each or for a few that belong together."""
