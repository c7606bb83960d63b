"""The Embedding page: the map of the features before the last layer, its filters, and the focus among its neighbours."""
