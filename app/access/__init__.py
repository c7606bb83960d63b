"""Who is looking, what they may do, and everything that changes anything."""
