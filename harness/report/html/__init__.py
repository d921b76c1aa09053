"""The report: one HTML file of a suite's stored results, without network."""
