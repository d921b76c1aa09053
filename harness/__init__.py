"""frontier-harness: accuracy against adversarial robustness, measured the same way for everyone."""

__version__ = "0.2.0"
