"""One database merged into another."""
