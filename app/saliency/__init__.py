"""The Saliency page: maps of one image over the epochs, as strips."""
