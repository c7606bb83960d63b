"""What the network says about the evaluated images at each epoch, and everything counted from that."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from precompute.bench import Bench, Shard
from precompute.datasets import Images
from precompute.recipe import digest
from precompute.saliency.passes import arithmetic
from store.schema import MEASURES, SPLITS, UNLABELLED
from store.shards import Artifact


def plan(bench: Bench) -> list[Artifact]:
    options, dataset = bench.recipe.evaluation, bench.images.name
    identity = digest([dataset, options.train_images])
    classes = len(bench.run.classes)
    sizes = {
        "epoch": bench.run.epochs + 1,
        "image": len(bench.evaluated),
        "class": classes,
        "split": len(SPLITS),
        "true": classes,
        "predicted": classes,
        "measure": len(MEASURES),
    }
    facts = {
        "dataset": dataset,
        "splits": list(SPLITS),
        "measures": list(MEASURES),
        "train_images": min(len(bench.data.train.labels), options.train_images),
        "version": 1,
    }
    return [bench.run.add(f"evaluation-{identity}", "evaluation", sizes, bench.kept_epochs(), facts)]


def train_sample(bench: Bench) -> np.ndarray:
    """Numbers of the training images on which training accuracy is measured: all, or a fixed draw."""
    count, most = len(bench.data.train.labels), bench.recipe.evaluation.train_images
    return np.arange(count) if count <= most else np.sort(np.random.default_rng(0).permutation(count)[:most])


def compute(bench: Bench, artifacts: Sequence[Artifact], epoch: int) -> Mapping[str, Shard]:
    """Logits of the evaluated images and what is counted from those with a label; loss and accuracy on the training sample."""
    sample = train_sample(bench)
    train = logits_of(bench, epoch, bench.data.train, sample)  # (n, K)
    test = logits_of(bench, epoch, bench.data.test, bench.evaluated)  # (N, K)
    classes = np.arange(len(bench.run.classes))
    predicted = test.argmax(1)
    known = bench.labels != UNLABELLED
    true, taken = bench.labels[known], predicted[known]
    pairs = [(train, bench.data.train.labels[sample]), (test[known], true)]
    shard = {
        "logits": test[None],
        "loss": np.array([[mean_loss(logits, labels) for logits, labels in pairs]]),
        "accuracy": np.array([[accuracy(logits, labels) for logits, labels in pairs]]),
        "confusion": (confusion_matrix(true, taken, labels=classes) if len(true) else np.zeros((len(classes),) * 2))[
            None
        ],
        "by_class": by_class(true, taken, classes)[None],
    }
    return {artifact.path: shard for artifact in artifacts}


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Cross entropy of logits (n, K); NaN where there are no images."""
    return F.cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(labels)).item()


def accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of the images whose largest logit is the true class; NaN where there are none."""
    return float((logits.argmax(1) == labels).mean()) if len(labels) else math.nan


def by_class(labels: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Precision, recall and F1 (K, 3); NaN where they are not defined."""
    if not len(labels):
        return np.full((len(classes), len(MEASURES)), np.nan)
    measures = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=np.nan)
    return np.stack(measures[:3], -1)


def logits_of(bench: Bench, epoch: int, images: Images, numbers: np.ndarray) -> np.ndarray:
    """(n, K) float32 outputs of the weights of `epoch`, without autocast. Larger training squares are cropped at their centre."""
    network, side = bench.classifier(epoch), bench.data.size
    logits = np.empty((len(numbers), len(bench.run.classes)), np.float32)
    for part, batch in bench.batches(images, numbers):
        margin = (batch.shape[-1] - side) // 2
        batch = batch[..., margin : margin + side, margin : margin + side]  # (n, C, side, side)
        with torch.inference_mode(), arithmetic(bench.device, "float32"):
            logits[part] = network(batch.contiguous(memory_format=torch.channels_last)).cpu().numpy()
    return logits
