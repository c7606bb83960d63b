"""The morning view: what became of the runs that were asked for since yesterday evening."""

import time as clocks
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time

import streamlit as st

from app.edge import plain
from app.jobs.joblist import jobs
from app.moments import here, last_time, moment, zone
from precompute.queue import Job

EVENING = time(18, 0)
MOST = 100  # jobs in one list
LONGEST = 200  # characters of a reason; the job itself has all of it


@dataclass(frozen=True)
class Night:
    """The jobs that were due in the time between, by what became of them."""

    finished: list[Job]
    failed: list[Job]
    open: list[Job]


def night(found: Sequence[Job], start: float, now: float) -> Night:
    """What was to be carried out after `start`: asked for, begun or ended since, and not put off to later than now."""
    due = [job for job in found if latest(job) >= start and (job.at or 0) <= now]
    return Night(
        [job for job in due if job.state == "finished"],
        [job for job in due if job.state == "failed"],
        [job for job in due if job.state not in ("finished", "failed")],
    )


def latest(job: Job) -> float:
    return max(filter(None, (job.asked, job.at, job.started, job.ended)), default=0.0)


def draw() -> None:
    """Finished, failed and not finished since a time one may choose; nothing where nothing was ever asked for."""
    found = jobs()
    if not found:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.subheader("Last night", width="stretch")
        start = st.datetime_input(
            "Since", last_time(EVENING, here(clocks.time())).replace(tzinfo=None), key="since", width=220
        )
    begin = (start or datetime.now()).replace(tzinfo=zone()).timestamp()
    seen = night(found, begin, clocks.time())
    counts = (("finished", seen.finished), ("failed", seen.failed), ("not finished", seen.open))
    st.markdown(", ".join(f"**{len(some)}** {word}" for word, some in counts) + f" since {moment(begin)}.")
    for job in seen.failed[:MOST]:
        reason = job.reason or "no reason was given"
        short = reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 2]} …"
        st.markdown(f":material/error: **{plain(name(job))}** failed: {plain(short)}")
    for job in seen.open[:MOST]:
        st.markdown(f":material/pending: **{plain(name(job))}** {plain(why_open(job))}")
    if seen.finished:
        names = ", ".join(name(job) for job in seen.finished[:MOST])
        st.markdown(f":material/check: {plain(names)}")


def name(job: Job) -> str:
    return job.run or job.name


def why_open(job: Job) -> str:
    """Why a run that was due is not there."""
    if job.state == "cancelled":
        return f"was not finished: {job.reason or 'cancelled'}"
    if job.state == "running":
        return "is still running"
    return f"was never begun; it waits since {moment(job.at or job.asked)}"
