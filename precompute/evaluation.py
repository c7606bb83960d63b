"""What the network says about the evaluated images at each epoch, and everything counted from that."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from precompute.bench import Bench, Shard
from precompute.datasets import Images
from precompute.recipe import digest
from precompute.saliency.passes import arithmetic
from store.schema import MEASURES, SPLITS
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
    """Logits of the evaluated images and everything counted from them; loss and accuracy on the training sample too."""
    sample = train_sample(bench)
    train = logits_of(bench, epoch, bench.data.train, sample)  # (n, K)
    test = logits_of(bench, epoch, bench.data.test, bench.evaluated)  # (N, K)
    classes = np.arange(len(bench.run.classes))
    predicted = test.argmax(1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        bench.labels, predicted, labels=classes, zero_division=np.nan
    )
    pairs = [(train, bench.data.train.labels[sample]), (test, bench.labels)]
    shard = {
        "logits": test[None],
        "loss": np.array(
            [
                [
                    F.cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(labels)).item()
                    for logits, labels in pairs
                ]
            ]
        ),
        "accuracy": np.array([[(logits.argmax(1) == labels).mean() for logits, labels in pairs]]),
        "confusion": confusion_matrix(bench.labels, predicted, labels=classes)[None],
        "by_class": np.stack([precision, recall, f1], -1)[None],
    }
    return {artifact.path: shard for artifact in artifacts}


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
