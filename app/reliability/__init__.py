"""Reliability: what the checks say of each technique, on a card and in a badge beside every map."""
