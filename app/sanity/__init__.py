"""The Sanity page: does a map depend on the network, and only on what it should?"""
