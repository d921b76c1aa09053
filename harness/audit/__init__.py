"""`harness verify`: stored results are checked again."""
