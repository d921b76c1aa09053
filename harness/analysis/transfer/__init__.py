"""Transfer matrices and what is derived from them."""
