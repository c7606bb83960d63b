"""Observations on the page: each with its map, who said it and when, and a way back to what it was said about; and, for a
re-trained run, its parent's observations beside its own maps of the same images."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import streamlit as st

from app import memory, pictures, reading, sections, selection
from app.edge import plain, plain_errors
from app.judgement import observed
from app.judgement.observed import Seen
from app.judgement.verdicts import signed, when
from app.reliability import badges as trust
from app.runs import lineage
from app.runs.lineage import Asked
from app.saliency import stored
from store.errors import LoupeError
from store.judgements import Observation
from store.runs import Run

PAGE = 8  # observations shown at once
WIDTH = 168  # pixels of a picture
LINEAGE_SECONDS = 10
SALIENCY = "app/views/saliency.py"


def badges(tags: Sequence[str]) -> str:
    """Tags as Markdown."""
    return " ".join(f":gray-badge[{plain(tag)}]" for tag in tags)


# All observations of a run


def listed(run: Run) -> None:
    """All observations of a run, latest first, filtered by tags, a page at a time."""
    said = reading.observations(run)
    if not said:
        st.caption("Nobody has left an observation on this run yet. Click a map on the Saliency page to leave one.")
        return
    shown = filtered(run, said)
    with sections.paged(shown, PAGE, f"judging.page.{run.id}") as turned:
        for item in turned:
            with plain_errors():
                row(run, item)


def filtered(run: Run, said: Sequence[Observation]) -> list[Observation]:
    """Those that carry all the tags chosen, latest first."""
    counts = Counter(tag for item in said for tag in item.tags)
    key, tags = f"judging.tags.{run.id}", [tag for tag, _ in counts.most_common()]
    chosen = [tag for tag in st.session_state.get(key, []) if tag in tags]
    if st.session_state.get(key, []) != chosen:
        st.session_state[key] = chosen
    if tags:
        chosen = st.pills(
            "Tags",
            tags,
            selection_mode="multi",
            key=key,
            format_func=lambda tag: f"{plain(tag)} ({counts[tag]})",
            persist_state="session",
        )
    shown = [item for item in reversed(said) if set(chosen or ()) <= set(item.tags)]
    st.caption(
        f"{len(shown)} of {len(said)} observation{'s' * (len(said) != 1)}, latest first. Each map has its own scale here."
    )
    return shown


def row(run: Run, said: Observation) -> None:
    """One observation with its map and a way back to it."""
    view = observed.seen(run, said)
    with st.container(key=f"judging.row.{run.id}.{said.id}", horizontal=True, gap="medium"):
        if view.pixels is not None:
            with st.container(width=WIDTH):
                picture(view, observed.pictured([view], said.region)[0], observed.about(said))
        with st.container(gap="xsmall"):
            words(said)
            checked(run, said)
            if view.why and said.technique:
                st.caption(plain(f"Its map is not shown: {view.why}."))
            link(run, said, f"judging.show.{run.id}.{said.id}")


def checked(run: Run, said: Observation) -> None:
    """What the checks say of the technique whose map an observation is about."""
    evaluation = reading.evaluation(run)
    if said.technique and evaluation and (epochs := reading.epochs(evaluation)):
        trust.beside(run, evaluation, epochs[-1], said.technique, said.layer)


def words(said: Observation) -> None:
    """What was said, letter by letter, by whom and when, and about what."""
    if said.text:
        st.text(said.text)
    if said.tags:
        st.markdown(badges(said.tags))
    st.caption(plain(f"{observed.about(said)} · {signed(said)}"))


def picture(view: Seen, drawn: np.ndarray | None, name: str) -> None:
    if drawn is not None:
        caption = plain(view.words)
        st.image(
            pictures.png(drawn),
            width=WIDTH,
            caption=caption,
            output_format="PNG",
            alt=f"{name}: {view.words}, {view.why}",
        )


# The way back


def link(run: Run, said: Observation, key: str, label: str = "Show") -> None:
    """A button that brings back the run, epoch, class and image of an observation, and enlarges the map it was said about."""
    if said.image is None and said.epoch is None:
        return
    if st.button(label, icon=":material/my_location:", type="tertiary", key=key, on_click=restore, args=(run, said)):
        st.switch_page(SALIENCY, query_params={})  # without them it refuses to leave what widgets hold in the address


def restore(run: Run, said: Observation) -> None:
    """Selects what an observation is about."""
    st.session_state["run"] = run.id
    if said.epoch is not None:
        selection.choose_epoch(said.epoch)
    names = st.session_state["class.names"] = reading.class_names(
        run
    )  # or the bar would forget the class of another run
    if said.explained in names:
        selection.choose_class(names.index(said.explained))
        st.session_state["explained"] = "chosen"
    evaluation = reading.evaluation(run)
    if evaluation and said.layer in stored.layers(run, evaluation):
        st.session_state["layer"] = said.layer
    here = observed.counterpart(run, run, said)
    if evaluation and here and here.image is not None:
        path = reading.dataset(evaluation).path
        if st.session_state.get("images.of") != path:
            selection.choose_images(())
            st.session_state["images.of"] = path
        selection.focus(here.image)
        st.session_state["enlarged"] = ("focus", said.technique) if said.technique else ("", "")


# A parent's observations beside the child's maps


@memory.remembered(500, seconds=LINEAGE_SECONDS)
def asked(run: Run) -> tuple[Asked, ...]:
    """Each time this run was asked for, earliest first."""
    return lineage.asked(run.kept("lineage"))


def parents(run: Run) -> list[Run]:
    """The runs it was re-trained from, as far as they are still there."""
    found = []
    for name in lineage.parents(asked(run)):
        try:
            found += [reading.opened(run.objects, name)] if name != run.id else []
        except LoupeError:
            continue  # deleted since
    return [reading.shared(parent) for parent in found]


def beside_parent(run: Run) -> None:
    """For each parent: what was expected, and each of its observations with both runs' maps of the same image."""
    for parent in parents(run):
        expected = [item for item in asked(run) if item.parent == parent.id]
        st.markdown(f"**Re-trained from {plain(parent.id)}**")
        for item in expected:
            words = f"Expected: {item.hypothesis}" if item.hypothesis else "No hypothesis was written down."
            st.markdown(plain(words))
            st.caption(plain(f"{item.by or 'no name given'}, {when(item.at)}"))
        said_of_parent = [item for item in reversed(reading.observations(parent)) if item.image is not None]
        if not said_of_parent:
            st.caption("Nobody has left an observation on an image of that run.")
        with sections.paged(said_of_parent, PAGE, f"judging.beside.{run.id}.{parent.id}") as turned:
            for said in turned:
                with plain_errors():
                    pair(parent, run, said)


def pair(parent: Run, child: Run, said: Observation) -> None:
    """One observation of the parent with its map and the child's of the same image, on one scale."""
    here = observed.counterpart(parent, child, said)
    views = [observed.seen(parent, said)] + ([observed.seen(child, here)] if here else [])
    drawn = observed.pictured(views, said.region)
    key = f"judging.pair.{child.id}.{parent.id}.{said.id}"
    with st.container(key=key, horizontal=True, gap="medium"):
        for view, shown, name in zip(views, drawn, ("The parent", "This run"), strict=False):
            with st.container(width=WIDTH, gap="xsmall"):
                st.caption(f"{name}, epoch {view.epoch}")
                picture(view, shown, f"{name}, {observed.about(said)}")
                if view.why:
                    st.caption(plain(f"{view.why[:1].upper()}{view.why[1:]}."))
        with st.container(gap="xsmall"):
            words(said)
            st.caption(plain(compared(said, here)))
            if here:
                link(child, here, f"{key}.show", "Show in this run")


def compared(said: Observation, here: Observation | None) -> str:
    """What differs beside the run."""
    if here is None:
        return "This run does not evaluate that image, or no epoch of it is finished."
    notes = [
        f"The nearest epoch that this run holds is {here.epoch}." if said.epoch not in (None, here.epoch) else "",
        f"It has no maps at {said.layer}; these are at {here.layer}."
        if said.layer != here.layer and here.layer
        else "",
    ]
    return " ".join(filter(None, [*notes, "Both maps have one scale." if said.technique else ""]))
