"""How nearly attributions add up to what they promise: the difference of the explained logit between image and baseline.

No torch here, so the app may read it.
"""

import numpy as np

FLAGGED = 0.01  # a map whose gap is as large is not to be trusted to this measure: more steps are needed


def gap(sums: np.ndarray) -> np.ndarray:
    """|sum of attributions - difference of logits| / |difference of logits|: (..., 2), in this order, to (...).

    Infinite where the logits do not differ and the attributions are not 0; NaN where nothing is promised.

    Sundararajan et al., Axiomatic Attribution for Deep Networks, 2017, https://arxiv.org/abs/1703.01365, proposition 1.
    """
    total, rise = np.moveaxis(np.asarray(sums, np.float64), -1, 0)
    apart, size = np.abs(total - rise), np.abs(rise)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((apart == 0) & (size == 0), 0.0, apart / size)


def flagged(sums: np.ndarray) -> np.ndarray:
    """Where the gap is FLAGGED or more, (..., 2) to (...)."""
    return gap(sums) >= FLAGGED
