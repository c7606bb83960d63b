"""The Remove-and-Retrain report's own figures, as printed, to stand beside ours.

Loreth, Practical Work: Investigations on Remove and Retrain, Johannes Kepler University Linz. MNIST, five trainings a point,
ten epochs, SGD with a learning rate of 0.001 and a momentum of 0.9, removed pixels replaced by the mean.

Its Tables II and III are called precision and are recall: they average to the accuracy by the classes' numbers of images, and
at 90% removed by integrated gradients, where one class is named for every image, that class stands at 100 and not at 11. The
values are means of five percentages rounded to whole numbers; the deviations are divided by five and not by four.
"""

import numpy as np

SIDE = 28  # pixels of an image
FRACTIONS = (0.1, 0.3, 0.5, 0.7, 0.9)
CLASSES = tuple("0123456789")
TEST_IMAGES = np.array([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])  # of each digit in MNIST's test split

# Table I: standard deviation of the accuracy over five trainings, in per cent
DEVIATION = {
    "integrated-gradients": (0.44, 0.83, 2.10, 31.64, 0.0),
    "random": (0.42, 0.28, 0.39, 0.58, 0.65),
}
# Tables II and III: recall of each digit and its standard deviation, in per cent, a row a fraction
RECALL = {
    "integrated-gradients": (
        (97.2, 95.4, 96.2, 94.6, 95.6, 97.2, 98.4, 96.2, 92.8, 90.4),
        (94.6, 95.4, 92.4, 87.0, 86.2, 91.4, 96.2, 92.4, 87.8, 91.4),
        (93.8, 89.6, 82.6, 85.2, 79.0, 92.4, 94.2, 88.8, 73.8, 87.0),
        (74.2, 88.0, 52.0, 59.4, 35.6, 50.0, 55.2, 55.8, 41.4, 43.6),
        (0.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    ),
    "random": (
        (100.0, 100.0, 97.2, 100.0, 98.4, 98.4, 98.8, 98.0, 96.8, 98.8),
        (98.4, 99.6, 98.0, 98.8, 95.2, 98.0, 97.6, 97.6, 98.4, 96.0),
        (100.0, 96.4, 95.0, 96.6, 94.2, 97.2, 99.2, 95.6, 94.8, 95.0),
        (95.8, 95.4, 92.2, 86.0, 90.0, 91.8, 94.0, 93.8, 85.2, 84.8),
        (87.4, 89.2, 85.6, 67.6, 56.8, 71.4, 85.2, 79.8, 68.8, 63.2),
    ),
}
RECALL_DEVIATION = {
    "integrated-gradients": (
        (0.98, 0.80, 0.98, 1.36, 1.62, 2.04, 1.50, 2.71, 1.83, 3.61),
        (2.06, 1.74, 2.94, 6.26, 2.79, 3.26, 0.98, 2.50, 2.56, 2.94),
        (2.64, 4.03, 4.84, 5.42, 1.90, 4.13, 2.14, 3.60, 5.74, 1.79),
        (37.1, 7.5, 38.6, 38.8, 30.1, 40.9, 45.1, 36.0, 34.5, 35.6),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    ),
    "random": (
        (0.0, 0.0, 0.98, 0.0, 0.8, 0.8, 0.98, 1.26, 1.47, 1.60),
        (0.80, 0.80, 1.26, 1.60, 1.17, 1.79, 0.80, 1.50, 0.80, 1.90),
        (0.00, 1.20, 1.55, 1.96, 2.64, 1.60, 1.60, 0.49, 1.47, 1.10),
        (1.60, 0.80, 3.66, 3.95, 2.76, 2.32, 1.79, 1.47, 3.06, 4.87),
        (1.96, 0.98, 4.32, 4.36, 8.80, 5.31, 1.17, 2.86, 4.96, 6.97),
    ),
}


def accuracy(technique: str) -> np.ndarray:
    """The accuracy (fraction,) in [0, 1] that follows of the recalls: the report shows it only as a chart."""
    shares = TEST_IMAGES / TEST_IMAGES.sum()
    return np.array(RECALL[technique]) @ shares / 100


def collapses(technique: str) -> tuple[int, ...]:
    """How many of the five trainings must have named one class for every image, by fraction.

    At 90% all five: recall 100 for one digit, 0 for all others. At 70% one: digit 0 at 74.2 ± 37.1 is four trainings at
    92.75 and one at 0.
    """
    return (0, 0, 0, 1, 5) if technique == "integrated-gradients" else (0, 0, 0, 0, 0)
