"""Remove and retrain: what is left of the accuracy when the pixels a technique calls important are gone."""
