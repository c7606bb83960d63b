"""The whole under load: many visitors, two browsers among them, while a worker trains beside them."""
