"""What people say about runs and maps: observations and verdicts."""
