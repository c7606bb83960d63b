"""The Overview page: measures, confusion, facts."""
