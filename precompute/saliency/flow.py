"""What the autograd graph of one forward pass tells about the tensors on it.

Names of modules cannot tell whether a layer sees everything, or whether its output went through a ReLU that is a
function and not a module. The graph can.
"""

from collections import Counter

from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

# Results of these have no negative value whatever comes in.
RECTIFY = {"Relu", "Sigmoid", "Hardsigmoid", "Softplus", "Abs", "Exp", "Softmax"}
# Results of these have none if what comes in has none.
PRESERVE = {
    "MaxPool2DWithIndices", "AvgPool2D", "AdaptiveAvgPool2D", "AdaptiveMaxPool2D", "MkldnnMaxPool2D", "Mean", "Sum",
    "Cat", "Add", "Mul", "Clone", "ToCopy", "View", "UnsafeView", "ReshapeAlias", "Slice", "Select", "Permute",
    "Transpose", "Squeeze", "Unsqueeze", "Expand", "UpsampleNearest2D", "UpsampleBilinear2D",
}  # fmt: skip


def downwards(result: Tensor) -> list[Node]:
    """The nodes of the graph that ends in `result`, each before the nodes it reads from."""
    finished: dict[Node, None] = {}
    pending = [(result.grad_fn, False)] if result.grad_fn else []
    while pending:
        node, followed = pending.pop()
        if followed:
            finished.setdefault(node)
        elif node not in finished:
            pending.append((node, True))
            pending.extend((below, False) for below in reads(node))
    return list(finished)[::-1]


def bottlenecks(nodes: list[Node], source: Tensor) -> set[Node]:
    """The nodes that every path from `source`, a leaf, to the first of `nodes` goes through.

    A node is one if paths to it times paths from it are all the paths there are.
    """
    above = Counter(nodes[:1])
    for node in nodes:
        for below in reads(node):
            above[below] += above[node]
    start = get_gradient_edge(source).node
    beneath = Counter({start: 1})
    for node in reversed(nodes):
        beneath[node] += sum(beneath[below] for below in reads(node))
    paths = max(beneath.values())
    return {node for node in nodes if above[node] * beneath[node] == paths}


def never_negative(nodes: list[Node]) -> set[Node]:
    """The nodes whose result cannot be negative, by the operations that lead to it."""
    proven: set[Node] = set()
    for node in reversed(nodes):
        operation = node.name().rstrip("0123456789").removesuffix("Backward")
        # A constant operand is no node and could be negative.
        inherits = operation in PRESERVE and all(below in proven for below, _ in node.next_functions)
        if operation in RECTIFY or inherits or floor(node) >= 0:
            proven.add(node)
    return proven


def reads(node: Node) -> list[Node]:
    """The nodes a node reads from."""
    return [below for below, _ in node.next_functions if below is not None]


def floor(node: Node) -> float:
    """The lower bound that a clamping operation (ReLU6 is one) sets; minus infinity for any other."""
    bounds = (getattr(node, name, None) for name in ("_saved_min", "_saved_min_val"))
    return max((bound for bound in bounds if isinstance(bound, int | float)), default=float("-inf"))
