"""Queries; each file is named after what it reads."""
