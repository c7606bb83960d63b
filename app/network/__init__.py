"""The Network page: all filters as dots, what one answers to, and the patterns of filters that images share."""
