"""The engine: slots on a device, verdicts of its own."""
