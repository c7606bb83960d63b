"""A run as one file of HTML and one of JSON."""
