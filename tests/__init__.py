"""A package, for some distributions install one of this name, which would hide this folder."""
