"""The Testing page: one image changed by a person, and what the network makes of it."""
