"""The Queue page: jobs, workers, last night, disk."""
