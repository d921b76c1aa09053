"""The version of this package, apart so that no room imports the library face for it."""

__version__ = "0.2.0"
