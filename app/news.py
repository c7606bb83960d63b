"""How a run is getting on, in words that renew themselves while somebody computes it, and only then."""

from collections.abc import Callable

import streamlit as st

from app import reading, renewing, shell
from app.edge import plain, plain_errors
from store.runs import Run, Status
from store.shards import Artifact

SECONDS = 2


def progress(run: Run, status: Status, epochs: tuple[int, ...]) -> str:
    """One line about a running run: "training epoch 8 of 12, epoch 7 of 12 can be looked at, about 40 s left"."""
    doing = status.doing or "computing"
    finished = f", epoch {epochs[-1]} of {run.epochs} can be looked at" if epochs else ""
    left = f", about {duration(status.seconds_left)} left" if status.seconds_left is not None else ""
    return f"{doing}{finished}{left}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 40 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def stopped(run: Run, status: Status, *, shown: bool = True) -> str:
    """Why a run is not finished although nobody computes it, "" where that is not so."""
    if status.state == "failed":
        rest = "What was finished before is shown." if shown else "No epoch of it was finished."
        return f"This run failed: {status.reason.rstrip('.') or 'no reason was written down'}. {rest}"
    if status.state == "stopped":
        why = f" ({status.reason.rstrip('.')})" if status.reason else ""
        again = f" Run its recipe '{run.recipe.get('name', run.id)}' again to go on." if run.origin == "trained" else ""
        return f"This run stopped before its end{why}; nobody is computing it.{again}"
    return ""


def of_run(run: Run, evaluation: Artifact, epochs: tuple[int, ...], epoch: int, show: Callable[[int], None]) -> None:
    """Says how an unfinished run is getting on; `show` selects a newer epoch when a person asks for it.

    epochs: those that the page shows. A run may have ended since they were looked at, and then nothing renews the page.
    """
    status = reading.status(run)
    whole = len(epochs) == len(evaluation.promised)
    if status.state == "finished" and not whole and reading.epochs_now(evaluation) != epochs:
        st.rerun()
    if text := stopped(run, status):
        st.error(plain(text), icon=":material/error:") if status.state == "failed" else st.warning(
            plain(text), icon=":material/pause_circle:"
        )
        ways_on()
    elif status.state == "running":
        follow(run, evaluation, epoch, show)


def ways_on() -> None:
    """Where a run that is not finished can be asked for again, as it was or changed."""
    with st.container(horizontal=True, gap="medium"):
        st.page_link("app/views/queue.py", label="Queue", icon=":material/list_alt:")
        st.page_link("app/views/retrain.py", label="Train it differently", icon=":material/model_training:")


@st.fragment(run_every=SECONDS)
def follow(run: Run, evaluation: Artifact, epoch: int, show: Callable[[int], None]) -> None:
    """The live line. A newer epoch is announced, and shown when asked for: nothing moves by itself."""
    with plain_errors():
        renewing.shows_progress(run, evaluation)
        status, epochs = reading.status(run), reading.epochs(evaluation)
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="live"):
            st.badge("live", icon=":material/sensors:", color="primary")
            st.caption(plain(progress(run, status, epochs)), width="content")
            if epochs[-1] > epoch and st.button(
                f"Show epoch {epochs[-1]}",
                key="newest",
                type="tertiary",
                icon=":material/arrow_forward:",
                on_click=show,
                args=epochs[-1:],
            ):
                st.rerun()
        if status.state != "running":
            st.rerun()


@st.fragment(run_every=SECONDS)
def nothing_yet() -> None:
    """The empty store; the page fills when the first run is there."""
    with plain_errors():
        renewing.shows(("runs",), lambda: renewing.Seen(len(reading.all_runs()[0])))
        if reading.all_runs()[0]:
            st.rerun()
        address = plain(reading.store().address)
        st.title("Nothing to look at yet")
        st.markdown(
            f"The store {address} holds no run. In Loupe's folder, this trains a small network on 5,000 digits:"
        )
        st.code("make demo", language="bash")
        st.markdown("The same without make, or with a recipe of your own:")
        st.code(f"{shell.PRECOMPUTE} run recipes/demo.toml", language="bash")
        st.caption(f"The page fills by itself as soon as the first epoch is finished. {shell.same_places()}")


@st.fragment(run_every=SECONDS)
def no_epoch_yet(run: Run) -> None:
    """A run of which nothing can be shown so far."""
    with plain_errors():
        renewing.shows_progress(run, None)
        status, evaluation = reading.status(run), reading.evaluation(run)
        if evaluation and reading.epochs(evaluation):
            st.rerun()
        if text := stopped(run, status, shown=False):
            st.error(plain(text), icon=":material/error:")
            ways_on()
            return
        st.info(
            plain(f"No epoch of this run is finished yet: {progress(run, status, ())}."),
            icon=":material/hourglass_top:",
        )
