"""A small store in which every page has something to show, and a second run, of other images and classes."""

from pathlib import Path

from precompute.catalogue import CHANGES
from store import judgements
from store.judgements import Observation
from store.objects import connect
from store.runs import Run, open_run
from tests.worlds import make_world
from tests.worlds_network import add_network
from tests.worlds_reliability import make_judged
from tests.worlds_simulation import add_change

RUN, OTHER = "world-0123456789", "other-0123456789"
CLASSES, IMAGES, SIDE = 4, 40, 12


def make_full(folder: Path) -> Run:
    """The run of which there is everything; it is the latest of the two."""
    make_world(folder, name="other", classes=7, images=21, side=16, channels=3, epochs=1)
    run = make_judged(folder, classes=CLASSES, images=IMAGES, perplexities=(5, 7))
    run.reopen()
    run = open_run(connect(str(folder)), run.id)
    add_network(run)
    for name in CHANGES:
        add_change(run, name, (run.epochs,), (run.epochs,), "all")
    run.summarise()
    seen = Observation("The background counts.", ("grass",), 3, 7, "cam", "features.4", "kind 1", "evaluation-0a")
    judgements.observe(run, seen, by="kim")
    judgements.decide(run, "keep", "It looks where it should.", by="ada")
    run.keep("lineage", {"parent": OTHER, "hypothesis": "Less background.", "by": "kim", "at": 1.7e9, "job": "1"})
    return open_run(connect(str(folder)), run.id)
