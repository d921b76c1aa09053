"""What workers read, wherever they are: images, weights and saved adversarial examples.

A worker reads its own host's files where they are the run's, by their hashes, and asks the driver's
host for all others.
"""
