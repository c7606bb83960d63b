"""The Re-train page: a form over a run's recipe."""
