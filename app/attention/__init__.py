"""The Attention page: shares of the maps in regions over the epochs, and how maps change."""
