"""Sanity checks of saliency techniques: does a map depend on the network, and only on what it should?

`grid` plans and computes the artifacts, `asked` answers the page about one image; the science in the other files knows no disk.
"""
