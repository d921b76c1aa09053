"""The worker's side: it knows no database, and works in any process, on any host."""
