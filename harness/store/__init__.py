"""The database: schema, one writer, queries, artifacts."""
