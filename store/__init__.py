"""The artifact store: what every array is, and how whole shards are written and read."""
