"""The probe: a child process that owns torch and answers, one epoch at a time, what a run's network makes of an image.

`python -m precompute.probe` reads requests from stdin and writes answers to stdout, both as frames.py has them. It ends
when stdin closes, that is with its web process. Requests and answers are described in `answer`.
"""

import json
import math
import os
import signal
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from precompute import allowed, catalogue, frames, questions
from store import objects, runs
from store.errors import BadInput, LoupeError

if TYPE_CHECKING:
    from torch import Tensor

    from precompute.editing import Work
    from precompute.models import Classifier

KEPT_BYTES = 512 * 1024**2  # networks kept ready; the demo's 30 epochs take 5 MB
MOST_BEGUN = 20  # curves under way; visitors who moved on don't come back for theirs
PREDICTED = -1  # stands for the class predicted at the epoch

Arrays = dict[str, np.ndarray]


@dataclass
class Shelf:
    """The networks used last, at most `limit` bytes of them and always at least one."""

    limit: int = KEPT_BYTES
    kept: OrderedDict[tuple, Any] = field(default_factory=OrderedDict)
    sizes: dict[tuple, int] = field(default_factory=dict)
    begun: OrderedDict[tuple, Any] = field(default_factory=OrderedDict)  # curves that are to be continued

    def get(self, key: tuple, load: Callable[[], Any], size: Callable[[Any], int]) -> Any:
        if key not in self.kept:
            self.kept[key] = load()
            self.sizes[key] = size(self.kept[key])
        self.kept.move_to_end(key)
        while len(self.kept) > 1 and sum(self.sizes.values()) > self.limit:
            oldest, _ = self.kept.popitem(last=False)
            del self.sizes[oldest]
        return self.kept[key]


def answer(request: Mapping[str, Any], image: np.ndarray, shelf: Shelf) -> tuple[dict[str, Any], Arrays]:
    """Logits (K,) and, by technique, maps (E, h, w) float32 of one image (H, W, C) uint8 at one epoch.

    The request names store, run, epoch, classes (E numbers; PREDICTED for the one predicted), layer, seed, precision, and
    techniques with their options. Where none are asked for, only the logits come back. One with edits gets the image
    before and after them, see editing.answer, or curves. What else it wants is answered by the functions of
    catalogue.EXTRAS, under their names; one without some filters by "ablation" alone.
    """
    import torch

    from precompute import editing
    from precompute.bench import to_float

    model = network(request, shelf)
    images = to_float(image[None].copy(), torch.device("cpu"))  # (1, C, H, W)
    if request.get("along"):
        return curves(request, image, shelf, lambda: editing.curves(model, images, request))
    if request.get("without"):
        return {"classes": []}, extra("ablation", request, shelf, images[:0])
    if request.get("edits"):
        header, arrays = editing.answer(model, images, request)
        for name in request.get("wants", ()):
            edited = torch.from_numpy(arrays["edited/pixels"]).permute(2, 0, 1)
            arrays |= extra(name, request, shelf, torch.cat([images, edited[None]]))
        return header, arrays
    with torch.inference_mode():
        logits = model(images).float()  # (1, K); maps may be of another precision
    arrays = {"logits": logits[0].numpy()}
    if not request["techniques"]:
        return {"classes": []}, arrays
    classes = [int(logits.argmax()) if number == PREDICTED else number for number in request["classes"]]
    classes = editing.explainable(classes, logits.shape[1])
    maps = editing.explained(model, images, classes, request)
    return {"classes": classes}, arrays | {f"map/{name}": values[0] for name, values in maps.items()}


def curves(
    request: Mapping[str, Any], image: np.ndarray, shelf: Shelf, begin: Callable[[], "Work"]
) -> tuple[dict[str, Any], Arrays]:
    """Curves; a header with "unfinished" after the request's seconds: asked again, the work goes on where it stopped."""
    from precompute import editing

    said = {name: value for name, value in request.items() if name not in ("id", "seconds")}
    key = (json.dumps(said, sort_keys=True), image.tobytes())
    work = shelf.begun.pop(key, None) or begin()
    found = editing.finished(work, request.get("seconds") or math.inf)
    if found is not None:
        return {"classes": []}, found
    shelf.begun[key] = work
    if len(shelf.begun) > MOST_BEGUN:
        shelf.begun.popitem(last=False)
    return {"classes": [], "unfinished": True}, {}


def extra(name: str, request: Mapping[str, Any], shelf: Shelf, images: "Tensor") -> Arrays:
    """What one function of catalogue.EXTRAS answers, under its name; raises BadInput where there is none."""
    function = catalogue.resolve(catalogue.entry(catalogue.EXTRAS, name, "question"))
    found = function(run_of(request, shelf), network(request, shelf), images, request)
    return {f"{name}/{what}": value for what, value in found.items()}


def run_of(request: Mapping[str, Any], shelf: Shelf) -> runs.Run:
    return shelf.get(("run", request["store"], request["run"], request["uuid"]), lambda: opened(request), lambda _: 0)


def network(request: Mapping[str, Any], shelf: Shelf) -> "Classifier":
    """The frozen network of the request's run and epoch, from the shelf or the store."""
    from precompute import bench

    run = run_of(request, shelf)
    key = (request["store"], run.uuid, request["epoch"])
    return shelf.get(key, lambda: quick(bench.classifier(run, request["epoch"])), lambda model: size_of(model))


def quick(model: "Classifier") -> "Classifier":
    """The network as a CPU runs it fastest on single images: channels last saves half of VGG-16's time at 32 × 32."""
    import torch

    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def opened(request: Mapping[str, Any]) -> runs.Run:
    """The run, if it still is the one that the web process means."""
    run = runs.open_run(objects.connect(request["store"]), request["run"])
    if run.uuid != request["uuid"]:
        raise LoupeError(f"Run {request['run']} was deleted and made again meanwhile. Reload the page.")
    permit(run)
    return run


def permit(run: runs.Run) -> None:
    """Raises BadInput where the run's network is a function of a module that the environment's LOUPE_ALLOW does not name.

    Whoever wrote the store chose that name: to look at his runs must not run code that he chose.
    """
    name = str(run.recipe["model"]["network"])
    module, colon, _ = name.partition(":")
    if colon and not allowed.module(module):
        raise BadInput(
            f"The network of this run is the function '{name}', which only runs if you allow it, because a store that "
            f"somebody else wrote could name any. If you trust the module {module}, start Loupe with {allowed.ALLOW}={module}."
        )


def size_of(model: "Classifier") -> int:
    return sum(item.numel() * item.element_size() for item in model.state_dict().values())


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answers request after request until the pipe closes. Whatever goes wrong with one is its answer."""
    shelf = Shelf()
    while (message := frames.read(requests)) is not None:
        header, found = reply(*message, shelf)
        frames.write(answers, {**header, "id": message[0].get("id")}, found)


def reply(request: Mapping[str, Any], arrays: Mapping[str, np.ndarray], shelf: Shelf) -> tuple[dict[str, Any], Arrays]:
    """The answer to a request, whatever it holds."""
    try:
        request = questions.checked(request, arrays)
        fitting(arrays["image"], request, shelf)
        return answer(request, arrays["image"], shelf)
    except LoupeError as error:
        return {"error": str(error)}, {}
    except Exception as error:
        traceback.print_exc()
        return {"error": words_of(error)}, {}


def fitting(image: np.ndarray, request: Mapping[str, Any], shelf: Shelf) -> None:
    """Raises BadInput where an image has other channels than those the run's network takes."""
    run = run_of(request, shelf)
    if request.get("without"):  # it is about stored images
        return
    key = ("channels", request["store"], run.uuid)
    channels = shelf.get(
        key, lambda: runs.dataset(run.objects, run.attributes["dataset"]).attributes["channels"], lambda _: 0
    )
    if image.shape[2] != channels:
        raise BadInput(f"The network of run {run.id} takes images of {channels} channels, not of {image.shape[2]}.")


def words_of(error: Exception) -> str:
    """What a person reads about an error that nobody foresaw."""
    if isinstance(error, MemoryError) or "not enough memory" in str(error) or "can't allocate memory" in str(error):
        return "There is not enough memory to run the network on this image. Close other programs, or take a smaller network."
    return f"The network could not be run on this image: {type(error).__name__}: {error}"


def main() -> None:
    """Takes stdout away from everybody else: what a library prints goes to stderr and cannot spoil an answer."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the web process; with it the pipe closes
    import torch

    from precompute import bench, editing  # noqa: F401  now, so that the first visitor does not wait for it

    torch.set_num_threads(max(1, min(4, torch.get_num_threads() // 2)))  # the pages want to be drawn at the same time
    with suppress(BrokenPipeError):
        frames.write(answers, {"ready": True}, {})
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
