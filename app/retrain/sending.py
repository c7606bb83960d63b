"""What a re-train would change, take and come to; the button that asks for it, and what became of it."""

import streamlit as st

from app import news, reading, renewing, shell
from app.access import actions, entrance
from app.edge import plain, plain_errors
from app.jobs.crew import workers
from app.memory import remembered
from app.moments import moment
from app.retrain import retraining, training_set
from app.retrain.fields import Leaf
from app.retrain.form import Form
from app.retrain.later import later
from precompute.queue import Job
from precompute.recipe import Recipe
from store.runs import Run

SECONDS = 2
OVERVIEW = "app/views/overview.py"
NO_WORKER = f"It waits: no worker is running. Start one: `{shell.WORKER}`"


def panel(form: Form, run: Run, hypothesis: str) -> None:
    """The right side of the page."""
    st.subheader("What changes")
    changes(form)
    recipe, problems = form.checked()
    for problem in problems:
        st.error(plain(problem), icon=":material/error:")
    if recipe is None:
        return
    existing = retraining.twin(run, recipe)
    if existing:
        st.info(existing.text(), icon=":material/content_copy:")
        if existing.run.id != run.id:
            look(existing.run, "look.twin")
    if not (existing and (existing.complete or existing.state == "running")):
        send(form, run, recipe, hypothesis, existing)
    sent(run)


def changes(form: Form) -> None:
    """Each changed field, from what to what, and a way back."""
    changed = form.changes()
    if not changed:
        st.caption(f"Nothing yet. Every field is as in {plain(form.scope)}.")
    for leaf, before, now in changed:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            name = plain(leaf.name.removeprefix("training."))
            text = f"**{name}** {plain(retraining.said(before))} → {plain(retraining.said(now))}"
            st.markdown(text, width="stretch")
            st.button(
                "Put back",
                key=f"back.{form.key(leaf)}",
                icon=":material/undo:",
                type="tertiary",
                on_click=put_back,
                args=(form, leaf),
                disabled=form.disabled,
                help=plain(f"Makes {leaf.name} {retraining.said(before)} again"),
            )


def put_back(form: Form, leaf: Leaf) -> None:
    form.put_back(leaf)
    if leaf.widget == "weights":
        training_set.new_table(form, leaf)


def send(form: Form, run: Run, recipe: Recipe, hypothesis: str, existing: retraining.Twin | None) -> None:
    """The estimate, the time, and the button."""
    short, basis = retraining.cost(run, recipe, existing)
    st.markdown(f":material/timer: **{plain(short[:1].upper() + short[1:])}**")
    st.caption(basis)
    at = later("later", disabled=form.disabled)
    entrance.signature("Asked for")
    label = "Compute what is missing" if existing else "Train"
    if st.button(label, key="train", type="primary", icon=":material/model_training:", disabled=form.disabled):
        job = actions.retrain(recipe, parent=run.id, hypothesis=hypothesis, at=at)
        st.session_state[f"sent.{run.id}"] = job
        waiting.clear()


# What became of it


def sent(run: Run) -> None:
    """The training asked for last from this run, and how it is getting on."""
    job_id = st.session_state.get(f"sent.{run.id}")
    if not job_id:
        return
    with st.container(border=True, key="sent"):
        follow(run, job_id)
        with st.container(horizontal=True, gap="medium"):
            st.page_link("app/views/queue.py", label="Queue", icon=":material/list_alt:")
            st.page_link("app/views/runs.py", label="Runs", icon=":material/account_tree:")


@remembered(200, seconds=1)
def waiting(address: str, job_id: str) -> Job:
    """The job, read at most once a second whoever looks."""
    return actions.queue().job(job_id)


def follow(run: Run, job_id: str) -> None:
    """How the job is getting on, drawn again as long as it may change."""
    job = waiting(actions.queue().address, job_id)
    st.fragment(state, run_every=SECONDS if job.active else None)(run, job_id, job.active)


def state(run: Run, job_id: str, active: bool) -> None:
    with plain_errors():
        renewing.shows(("job", actions.queue().address, job_id), lambda: in_line(job_id))
        job = waiting(actions.queue().address, job_id)
        st.markdown(f"**{plain(job.name)}** {plain(sentence(job))}")
        if unattended(job):
            st.markdown(NO_WORKER)
        made = reading.run_named(job.run)
        if made and made.id != run.id:
            look(made, "look.sent")
        if job.state == "failed":
            st.caption("The Queue page has the last lines of its log, and a way to try again.")
        if active and not job.active:
            st.rerun()


def in_line(job_id: str) -> renewing.Seen:
    """What is new of the job, for all who asked for it."""
    job = waiting(actions.queue().address, job_id)
    made = reading.run_named(job.run)
    evaluation = reading.evaluation(made) if made else None
    epochs = reading.epochs(evaluation) if evaluation else ()
    return renewing.Seen((job.state, unattended(job), made is None, epochs), sentence(job), whole=False)


def unattended(job: Job) -> bool:
    """Whether it waits although nobody is there to carry it out."""
    return job.state == "waiting" and not any(worker.alive for worker in workers())


def sentence(job: Job) -> str:
    """How a job is getting on."""
    made = reading.run_named(job.run)
    match job.state:
        case "waiting":
            return "is asked for and waits for a worker."
        case "scheduled":
            return f"is asked for, and begins not before {moment(job.at or 0)}."
        case "running" if made:
            evaluation = reading.evaluation(made)
            return f"{news.progress(made, reading.status(made), reading.epochs(evaluation) if evaluation else ())}."
        case "running":
            return "begins: data and network are being loaded."
        case "finished":
            return "is finished."
    return f"{job.state}: {job.reason.rstrip('.') or 'no reason was given'}."


def look(run: Run, key: str) -> None:
    """A button that shows another run, on Overview."""
    if st.button("Look at it", key=key, icon=":material/visibility:", type="tertiary", on_click=select, args=(run.id,)):
        st.switch_page(OVERVIEW, query_params={})  # else it refuses while widgets hold words of the address


def select(run_id: str) -> None:
    st.session_state["run"] = run_id
