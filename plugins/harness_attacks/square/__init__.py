"""Random search by scores alone: Square."""
