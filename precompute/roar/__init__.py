"""Remove and Retrain: what is left of a network's accuracy when the pixels a technique calls important are gone.

Hooker et al., A Benchmark for Interpretability Methods in Deep Neural Networks, 2019, https://arxiv.org/abs/1806.10758.
"""
