"""Methods: what each technique, check and measure answers, how it is computed, where that comes from, and its limits."""

from app.methods.links import address, link

__all__ = ["address", "link"]
