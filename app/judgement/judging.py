"""Judging: verdicts on a run, and observations on it and on its maps. The forms are here, the lists in app/judgement/remarks.py."""

import hashlib
from collections import Counter
from dataclasses import replace

import streamlit as st

from app import memory, reading, sections, selection
from app.access import actions, entrance, roles
from app.edge import plain, plain_errors
from app.judgement import observed, remarks
from app.judgement.verdicts import LOOKS, signed
from app.report import document, gathered
from app.widgets.region import region
from store import judgements
from store.judgements import MOST_TAGS, TAG_LENGTH, TEXT_LENGTH, VERDICTS, Observation, Verdict
from store.objects import Objects
from store.runs import Run

TAGS_SECONDS = 20
RUNS_OF_TAGS = 100  # the latest ones, whose tags are suggested
TAGS_SUGGESTED = 24


def folded(run: Run) -> None:
    """The panel at the end of a page; what is in it is read when it is opened."""
    title = "Judgement: verdict, observations and report"
    sections.folded(title, ":material/gavel:", "overview.judgement", panel, run)


def panel(run: Run) -> None:
    """Verdict, observations beside the parent's, all observations, and the report of one run."""
    with plain_errors():
        held = len(reading.observations(run)) + len(reading.verdicts(run))
        if held < len(reading.judged(run, "observations")) + len(reading.judged(run, "verdicts")):
            st.warning(plain(" ".join(judgements.damaged(run))), icon=":material/warning:")
        verdict_form(run)
    if remarks.parents(run):
        st.subheader("What was seen in the parent")
        with plain_errors():
            remarks.beside_parent(run)
    st.subheader("Observations")
    with plain_errors():
        remarks.listed(run)
        about_run(run)
    with plain_errors():
        downloads(run)


# The verdict


def verdict_form(run: Run) -> None:
    """What was decided, and a place to decide."""
    st.subheader("Verdict")
    said = reading.verdicts(run)
    if said:
        holding(said[-1])
    else:
        st.caption("Nobody has decided about this run yet.")
    if reason := roles.refusal("judge", roles.person()):
        st.caption(plain(reason))
    else:
        st.fragment(decide)(run)
    if len(said) > 1:
        with st.expander(f"Earlier verdicts ({len(said) - 1})", icon=":material/history:"):
            for item in reversed(said[:-1]):
                holding(item)


def holding(said: Verdict) -> None:
    with st.container(gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(said.verdict, **LOOKS[said.verdict])
            st.caption(plain(signed(said)), width="content")
        if said.reason:
            st.text(said.reason)


def decide(run: Run) -> None:
    draft = f"judging.verdict.{run.id}.{turn(run.id)}"
    chosen = st.segmented_control(
        "Your verdict", VERDICTS, key=draft, format_func=str.capitalize, persist_state="session"
    )
    reason = st.text_area(
        "Reason",
        key=f"{draft}.reason",
        max_chars=TEXT_LENGTH,
        height=80,
        placeholder="What speaks for it: measures, maps, where it is to be used",
        persist_state="session",
    )
    entrance.signature("Left")
    if st.button("Leave the verdict", icon=":material/gavel:", key=f"{draft}.save", disabled=chosen is None) and chosen:
        with plain_errors():
            actions.decide(run, chosen, reason or "")
            finished(run.id)


def turn(name: str) -> int:
    """How many forms of this name were sent: the next one begins empty."""
    return st.session_state.get(f"judging.turn.{name}", 0)


def finished(name: str) -> None:
    """Draws the page anew with what was just stored in it."""
    st.session_state[f"judging.turn.{name}"] = turn(name) + 1
    reading.judged.clear()
    tags_in_use.clear()
    st.rerun()


# Observations


def observe_form(run: Run, about: Observation, picture: bytes = b"", alt: str = "") -> None:
    """What was observed about this very map or image, and, folded, a place to observe. `picture` (PNG) is what a region is
    drawn on; without one there is none to draw."""
    fields = ("epoch", "image", "technique", "layer", "explained", "evaluation")
    of_image = [item for item in reading.observations(run) if item.image == about.image]
    of_this = [item for item in of_image if all(getattr(item, name) == getattr(about, name) for name in fields)]
    others = len(of_image) - len(of_this)
    for item in reversed(of_this):
        with st.container(gap="xsmall", key=f"judging.said.{item.id}"):
            remarks.words(item)
            if item.region:
                st.caption(observed.region_words(item.region))
    if others:
        st.caption(f"{others} more observation{'s' * (others != 1)} on this image, of other maps of it.")
    if reason := roles.refusal("judge", roles.person()):
        st.caption(plain(reason))
        return
    name, form = draft_of(run, about), st.fragment(observe)
    key = f"judging.open.{name}"
    sections.folded("Leave an observation", ":material/rate_review:", key, form, run, about, picture, alt, name)


def about_run(run: Run) -> None:
    """A place to observe what is about no single map."""
    if roles.may("judge"):
        with st.expander("Leave an observation on the run as a whole", icon=":material/rate_review:"):
            about = Observation()
            st.fragment(observe)(run, about, b"", "", draft_of(run, about))


def observe(run: Run, about: Observation, picture: bytes, alt: str, name: str) -> None:
    """Text, tags and region of a new observation. A draft outlives looking at something else."""
    draft = f"judging.draft.{name}.{turn(name)}"
    places = st.container(key="halves.judging").columns((2, 3), gap="medium") if picture else (None, st.container())
    drawn = None
    if places[0] is not None:
        with places[0]:
            drawn = region(picture, alt=alt, label=f"Region on the picture. {alt}", key=f"{draft}.region")
    with places[1]:
        text = st.text_area(
            "Observation",
            key=f"{draft}.text",
            max_chars=TEXT_LENGTH,
            height=110,
            placeholder="What does the network look at here, and is that what it should look at?",
            persist_state="session",
        )
        tags = tags_field(run, draft)
        st.caption(plain(f"About {observed.about(about)}."))
        entrance.signature("Left")
        if st.button("Save the observation", icon=":material/add_comment:", key=f"{draft}.save"):
            with plain_errors():
                actions.observe(run, replace(about, text=text or "", tags=tags, region=drawn))
                finished(name)


def tags_field(run: Run, draft: str) -> tuple[str, ...]:
    """Tags of the author's own, and those already used in this store to choose from."""
    used = suggested(run, draft)
    chosen: list[str] = []
    if used:
        chosen = st.pills(
            "Tags",
            used,
            selection_mode="multi",
            key=f"{draft}.tags",
            format_func=plain,
            help="Those used in this store, most used first.",
            persist_state="session",
        )
    own = st.text_input(
        "New tags" if used else "Tags",
        key=f"{draft}.own",
        max_chars=MOST_TAGS * (TAG_LENGTH + 2),
        placeholder="words of your own, separated by commas",
        persist_state="session",
    )
    return (*(chosen or ()), *(own or "").split(","))


def suggested(run: Run, draft: str) -> list[str]:
    """The tags in use, most used first, and those the draft has chosen among earlier ones."""
    return list(dict.fromkeys([*tags_in_use(run.objects), *st.session_state.get(f"{draft}.tags", ())]))


@memory.remembered(20, seconds=TAGS_SECONDS)
def tags_in_use(objects: Objects) -> list[str]:
    """Tags of this store's latest runs, most used first."""
    latest = reading.listed(objects)[0][:RUNS_OF_TAGS]
    counts = Counter(tag for run in latest for item in reading.observations(run) for tag in item.tags)
    return [tag for tag, _ in counts.most_common(TAGS_SUGGESTED)]


def draft_of(run: Run, about: Observation) -> str:
    """Tells apart the drafts of different maps."""
    return hashlib.blake2b(repr((run.uuid, about)).encode(errors="replace"), digest_size=8).hexdigest()


# The report


def downloads(run: Run) -> None:
    """The report of the run, to keep or to pass on; made when asked for."""
    now = st.session_state.get("selection")
    chosen = (now.chosen,) if isinstance(now, selection.Selection) and now.run.id == run.id else ()
    st.subheader("Report")
    st.caption(
        "Recipe, provenance, measures, maps of the recommended cases, observations, verdicts and lineage: as one page that "
        "needs no network, or as data."
    )
    files = {
        "HTML": (lambda: document.page(gathered.gather(run, chosen)), "html", "text/html"),
        "JSON": (lambda: document.data(gathered.gather(run, chosen)), "json", "application/json"),
    }
    with st.container(horizontal=True):
        for label, (made, ending, mime) in files.items():
            st.download_button(
                label,
                made,
                f"{run.id}.{ending}",
                mime,
                key=f"judging.report.{ending}.{run.id}",
                icon=":material/download:",
                on_click="ignore",
            )
