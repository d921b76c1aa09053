"""TF-Slim's checkpoints: found, read where TensorFlow is, checked, and written for the loader."""
