"""The jobs of the queue and the workers that carry them out, drawn again and again while something is active."""

import time
from collections.abc import Sequence

import streamlit as st

from app import news, reading, renewing, sections, shell
from app.access import actions, roles
from app.edge import plain, plain_errors
from app.jobs.crew import workers
from app.memory import remembered
from app.moments import moment, since
from app.retrain.sending import NO_WORKER, look
from precompute.queue import Job, Worker
from store.runs import Run

SECONDS = 2.0
PAGE = 20  # jobs that have ended, on one page
ACTIVE = 50  # jobs shown that have not
LOOKS = {
    "running": (":material/sensors:", "primary"),
    "waiting": (":material/hourglass_top:", "gray"),
    "scheduled": (":material/schedule:", "gray"),
    "finished": (":material/check:", "green"),
    "failed": (":material/error:", "red"),
    "cancelled": (":material/block:", "gray"),
}
ACTS = {
    "cancel": ("Cancel", ":material/close:", actions.cancel),
    "retry": ("Try again", ":material/replay:", actions.retry),
    "forget": ("Forget", ":material/playlist_remove:", actions.forget),
}
NOT_FOR_YOU = "Nothing is waiting. Those who may train do so on the Re-train page."
NOTHING = "Nothing is waiting. Press Train on the Re-train page, or ask for a recipe or a folder of recipes:"
NO_RUN = "The store {} holds no run, and none is asked for. Have one trained at once:"
COMMANDS = (
    f"{shell.PRECOMPUTE} enqueue recipes/demo.toml\n{shell.PRECOMPUTE} enqueue FOLDER/ --at 22:00\n{shell.WORKER}"
)


@remembered(20, seconds=1)
def jobs_at(address: str) -> list[Job]:
    return actions.queue().jobs()


def jobs() -> list[Job]:
    """All jobs, latest first, read at most once a second whoever looks."""
    return jobs_at(actions.queue().address)


def draw() -> None:
    active = any(job.active for job in jobs())
    st.fragment(listed, run_every=SECONDS if active else None)(active)


def listed(active: bool) -> None:
    """Workers, then what is under way, then what has ended."""
    with plain_errors():
        renewing.shows(("jobs", actions.queue().address, reading.store().address), in_list)
        found = jobs()
        there = workers()
        going = [job for job in found if job.active]
        crew(there, bool(going))
        if not found:
            empty()
        if going:
            st.subheader(f"Under way: {len(going)}")
        order = sorted(going, key=lambda job: (rank(job), job.priority, job.at or job.asked))
        for job in order[:ACTIVE]:
            under_way(job, there)
        if len(order) > ACTIVE:
            st.caption(f"And {len(order) - ACTIVE} more that wait.")
        ended([job for job in found if not job.active])
        if active != bool(going):
            st.rerun()


def in_list() -> renewing.Seen:
    """What is new in the list, for all who look at it."""
    found, there = jobs(), workers()
    made = [run for job in found if job.state == "running" and (run := reading.run_named(job.run))]
    news = [(job.id, job.state, job.run) for job in found], [(worker.id, worker.alive) for worker in there]
    return renewing.Seen(repr(news), tuple(reading.status(run).done for run in made), whole=False)


def empty() -> None:
    """Nothing is asked for: how to ask."""
    if not roles.may("re-train"):
        st.markdown(NOT_FOR_YOU)
        return
    if reading.all_runs()[0]:
        st.markdown(NOTHING)
    else:
        st.markdown(NO_RUN.format(plain(reading.store().address)))
        st.code("make demo", language="bash")
        st.markdown("Or ask for one, or for all recipes of a folder, and have a worker carry them out:")
    st.code(COMMANDS, language="bash")
    if told := shell.same_places():
        st.caption(told)


def rank(job: Job) -> int:
    return ("running", "waiting", "scheduled").index(job.state)


# Workers


def crew(there: Sequence[Worker], wanted: bool) -> None:
    """Who carries jobs out; that nobody does, where nobody does."""
    alive = [worker for worker in there if worker.alive]
    if not alive:
        text = NO_WORKER if wanted else f"No worker is running. Start one: `{shell.WORKER}`"
        st.warning(text, icon=":material/engineering:") if wanted else st.info(text, icon=":material/engineering:")
    for worker in there:
        doing = f"at {worker.doing}" if worker.doing else "waits for a job"
        words = f"{worker.id} on {worker.host}, {worker.device or 'device unknown'}, {doing}"
        if worker.alive:
            st.caption(f":material/engineering: {plain(words)}")
        else:
            gone = f"{worker.id} on {worker.host} is gone; it was last heard of {since(worker.at)} ago"
            st.caption(f":material/heart_broken: {plain(gone)}. What it did goes on with another worker.")


def name_of(job: Job, there: Sequence[Worker]) -> str:
    """The worker that has a job, in words."""
    found = next((worker for worker in there if worker.id == job.worker), None)
    return f"worker {job.worker}{'' if found and found.alive else ' (gone)'}" if job.worker else "a worker"


# One job


def head(job: Job, words: str, made: Run | None, *acts: str) -> None:
    """State and words in a line, with a way to the run, and buttons for those who may press them."""
    icon, colour = LOOKS[job.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(job.state, icon=icon, color=colour)  # type: ignore[arg-type]
        st.markdown(f"**{plain(job.run or job.name)}** {plain(words)}", width="stretch")
        if made:
            look(made, f"look.{job.id}")
        if acts and roles.may("cancel"):
            with st.container(horizontal=True, wrap=False, gap="small", width="content"):
                for act in acts:
                    press(job, act)


def asked(job: Job) -> str:
    return f"asked for{f' by {job.by}' if job.by else ''} at {moment(job.asked)}"


def under_way(job: Job, there: Sequence[Worker]) -> None:
    """A job that runs or waits: who asked, since when, how far it is, and a button to cancel it."""
    made, words = reading.run_named(job.run), asked(job)
    if job.state == "scheduled":
        words += f", not before {moment(job.at or 0)}"
    if job.state == "running" and job.started:
        words += f", for {since(job.started)} at {name_of(job, there)}"
    words += f", priority {job.priority}" if job.priority != 5 else ""
    with st.container(border=True, gap="xsmall"):
        head(job, words, made, "cancel")
        if job.state == "running":
            progress(made)
        behind(job)


def progress(made: Run | None) -> None:
    """How far a running job is."""
    if made is None:
        st.caption("Data and network are being loaded.")
        return
    status, evaluation = reading.status(made), reading.evaluation(made)
    epochs = reading.epochs(evaluation) if evaluation else ()
    share = min(status.done / status.of, 1.0) if status.of else 0.0
    st.progress(share, text=plain(f"{status.done} of {status.of} steps: {news.progress(made, status, epochs)}"))
    if status.reason:
        st.caption(plain(status.reason))


def behind(job: Job) -> None:
    """Where it comes from and what was expected of it."""
    words = [
        f"Re-trained from {job.parent}." if job.parent else "",
        f"Expected: {job.hypothesis}" if job.hypothesis else "",
    ]
    if said := " ".join(filter(None, words)):
        st.caption(plain(said))


def press(job: Job, act: str) -> None:
    """A button that does something to a job; the page is drawn anew after it."""
    label, icon, action = ACTS[act]
    if st.button(label, key=f"{act}.{job.id}", icon=icon, type="tertiary"):
        action(job.id)
        jobs_at.clear()
        st.rerun()


# Jobs that have ended


def ended(found: Sequence[Job]) -> None:
    if found:
        st.subheader(f"Ended: {len(found)}")
    with sections.paged(found, PAGE, "queue.page") as shown:
        for job in shown:
            over(job)


def over(job: Job) -> None:
    """A job that has ended: how, when, why it failed, and what can be done."""
    took = (job.ended or time.time()) - (job.started or job.ended or time.time())
    words = asked(job)
    words += f", ended at {moment(job.ended)}" if job.ended else ""
    words += f" after {news.duration(took)}" if job.state == "finished" and took >= 1 else ""
    with st.container(border=True, gap="xsmall"):
        again = () if job.state == "finished" else ("retry",)
        head(job, words, reading.run_named(job.run), *again, "forget")
        if job.state != "finished" and job.reason:
            (st.error if job.state == "failed" else st.caption)(plain(job.reason))
        if job.log:
            with st.expander("The last lines of its log", icon=":material/notes:"):
                st.code("\n".join(job.log), language=None, wrap_lines=True)
        behind(job)
