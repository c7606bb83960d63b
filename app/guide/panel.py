"""The guide as it is drawn: a slim panel above the page of a step, and one line on Overview that offers it."""

from contextlib import suppress

import streamlit as st

from app import selection
from app.edge import plain_errors
from app.guide import place
from app.guide.findings import Finding, Goal
from app.guide.steps import STEPS, Step, before, first, following
from app.selection import Selection
from store.errors import LoupeError

WAITING = "The guide begins as soon as the first epoch of a run is finished; the page says how far it is."
DONE = ":green-badge[:material/check: done]"
NEXT, BACK, HERE = ":material/arrow_forward:", ":material/arrow_back:", ":material/my_location:"
# It stays in view while one scrolls, and what the step is about has a line at its side
STYLE = """<style>
*:has(> .st-key-guide) {{ background: light-dark({light}, {dark}); z-index: 60; }}
@media (min-height: 700px) {{ *:has(> .st-key-guide) {{ position: sticky; top: 0.4rem; }} }}
.st-key-{mark} {{ position: relative; scroll-margin-top: 11rem; }}
@media (max-width: 1000px) {{ .st-key-{mark} {{ scroll-margin-top: 17rem; }} }}
.st-key-{mark}::before {{
    content: ""; position: absolute; inset: 0 auto 0 -0.8rem; width: 3px; border-radius: 2px; background: {accent};
}}
</style>"""
# What a step is about comes into view, where the step before was on the same page
SHOW = "<script>document.querySelector('.st-key-{mark}')?.scrollIntoView()</script>"


def draw(page: str) -> None:
    """The panel of the step in the address, above the page of this name in the address; nothing outside of the guide."""
    place.follow(page)
    came_from, number = place.came_from(), place.number()
    if not number:
        place.remember()
        return
    with plain_errors(), st.container(border=True, key="guide", gap="xsmall"):
        now, step = selection.at_hand(), STEPS[number - 1]
        here = page == step.page
        done = st.session_state["guide.done"] = bool(here and now and step.done(now))
        style(step.mark)
        head(number, page, now, done=done)
        body(number, now, step.find(now) if here and now else Finding(), here=here)
        if came_from and STEPS[came_from - 1].page == page == step.page:
            st.html(SHOW.format(mark=in_css(step.mark)), unsafe_allow_javascript=True)


def head(number: int, page: str, now: Selection | None, *, done: bool) -> None:
    """Which step it is, and the ways back, on and out."""
    step, later, earlier = STEPS[number - 1], following(number, now), before(number, now)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        dots = f":primary[{'●' * number}]:gray[{'○' * (len(STEPS) - number)}]"
        said = f"**Guide: {step.title}** :gray[step {number} of {len(STEPS)}] {dots} {DONE * done}"
        st.markdown(said, width="stretch")
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small", width="content"):
            if earlier:
                place.way(earlier, "Back", "back", icon=BACK, type="tertiary")
            if later:
                there = STEPS[later - 1]
                goal = goal_of(there, now) if now and page == step.page else None
                look = {"icon": NEXT, "icon_position": "right", "type": "primary" if done else "secondary"}
                place.way(later, f"Next: {lowered(there.title)}", "next", goal=goal, **look)
            st.button(
                "Leave" if later else "Finish", key="guide.leave", on_click=left, args=(number,),
                type="primary" if done and not later else "tertiary",
                icon=":material/close:" if later else ":material/done_all:",
            )  # fmt: skip


def body(number: int, now: Selection | None, finding: Finding, *, here: bool) -> None:
    """What the run has for the step, what to do, and what to ask oneself; or the way there."""
    step = STEPS[number - 1]
    if now is None:
        st.caption(WAITING)
    elif not here:
        place.way(number, f"This step is on the page {step.place}", "there", icon=HERE)
    elif finding.lacks:
        st.markdown(finding.lacks)
    elif finding.goal:
        st.markdown(finding.says)
        place.way(number, finding.named, "take", goal=finding.goal, icon=HERE)
    else:
        st.markdown(f"{finding.says} {finding.do or step.do}")
        if not finding.do:
            st.caption(f"Ask yourself: {step.look}")


def style(mark: str = "nothing") -> None:
    """How it looks, in the colours of either theme; what has the key `mark` is marked."""
    light, dark = (st.get_option(f"theme.{kind}.backgroundColor") for kind in ("light", "dark"))
    accents = ", ".join(str(st.get_option(f"theme.{kind}.primaryColor")) for kind in ("light", "dark"))
    st.html(STYLE.format(mark=in_css(mark), light=light, dark=dark, accent=f"light-dark({accents})"))


def in_css(key: str) -> str:
    """A key as Streamlit writes it into the class of an element."""
    return key.replace(".", "-")


def lowered(title: str) -> str:
    return title[:1].lower() + title[1:]


def left(number: int) -> None:
    place.leave(number)
    st.toast("The guide stays under Help.", icon=":material/explore:")


def keep_up(page: str) -> None:
    """Called by what is drawn without the rest of its page: has the panel drawn again when its step is done."""
    number, now = place.number(), selection.at_hand()
    if not number or now is None or st.session_state.get("guide.done"):
        return
    step = STEPS[number - 1]
    if step.page == page and step.done(now):
        st.rerun()


def goal_of(step: Step, now: Selection) -> Goal | None:
    """What to select for a step; of a damaged epoch nothing, and the page says what is damaged."""
    with suppress(LoupeError):
        return step.goal(now)
    return None


def offer(now: Selection) -> None:
    """One line for who was never here; none in the guide, nor once it was left."""
    if place.number() or place.left_at():
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="guide.offer"):
        step = first(now)
        what = "three images, one edit" if step == 1 else "one edit"
        said = f"New here? The guide leads you through this run: {what}, one pattern, one re-train."
        st.markdown(said, width="content")
        place.way(step, "Start", "start", goal=goal_of(STEPS[step - 1], now), icon=NEXT, icon_position="right")
        st.button("No, thanks", key="guide.decline", type="tertiary", on_click=left, args=(step,))
