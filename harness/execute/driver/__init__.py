"""The driver's side: what is done where, and how what workers yield is stored."""
