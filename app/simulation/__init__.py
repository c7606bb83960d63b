"""The Simulation page: how each class fares along each change of its images, which images hold, and what it was trained on."""
