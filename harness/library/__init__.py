"""The library face: what `import harness` offers, on top of every other room."""
