"""The report's charts, a file each: pure functions of what the analysis returns."""
