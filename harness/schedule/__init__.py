"""Which cell runs where and when."""
