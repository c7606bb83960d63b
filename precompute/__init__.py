"""Offline precompute: from recipes to artifacts."""
