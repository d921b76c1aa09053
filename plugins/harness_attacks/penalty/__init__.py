"""Distortion plus a weighted loss, and a search over the weight: C&W and EAD."""
