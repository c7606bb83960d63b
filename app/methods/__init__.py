"""Methods: what each technique, check and measure answers, how it is computed, where that comes from, and its limits."""

from app.methods.links import address, cell, column, link, row

__all__ = ["address", "cell", "column", "link", "row"]
