"""What people made of the runs on the Runs page: the judgement of the one in the bar, and hypotheses laid beside what came."""

from collections.abc import Sequence

from app.edge import plain
from app.judgement import judging, remarks
from app.runs import roster
from app.sections import folded
from store.runs import Run

ICON = ":material/gavel:"


def draw(compared: Sequence[Run], bar: Run | None) -> None:
    """One closed section for the run in the bar, and one for each other compared run that was to confirm a hypothesis."""
    if bar:
        title = plain(f"Judgement of {bar.id}: verdict, observations and report")
        folded(title, ICON, f"runs.judgement.{bar.id}", judging.panel, bar)
    known = roster.shared().look(compared)
    for run in compared:
        expected = [item for item in known[run.id].asked if item.hypothesis] if run.id in known else []
        if expected and run != bar:
            title = plain(f"What was expected of {run.id}, and what was seen in the run it was re-trained from")
            folded(title, ICON, f"runs.beside.{run.id}", remarks.beside_parent, run)
