"""Input shift: one image before and after under every technique, and how all images react."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from app import absent, ground, methods, pictures, probe, reading, selection
from app.address import KEPT, one_of
from app.edge import plain, plain_errors
from app.memory import Memory, remembered
from app.probe import Answer, Request
from app.reliability import badges
from app.saliency.strips import visitor
from app.sanity import asking, dotted, states, stored, words
from app.sanity.asking import Held, Shown
from app.selection import Selection
from precompute.cases import probabilities
from precompute.sanity import likeness
from store.errors import LoupeError
from store.schema import SHIFTS, UNLABELLED
from store.shards import Artifact

ANSWER_SECONDS = 2.0
LOOK_SECONDS = 0.7
SIDE, GAP, WIDTH = (
    132,
    8 / 132,
    430,
)  # pixels of one map, what is between two as a share of it, and pixels of all three as drawn
BESIDE = Memory(1000, 32 * 1024**2)  # pictures of maps before and after, and what is said of them
STRONGEST = 2.0
DEFAULT = -1.0  # [0, 1] becomes [-1, 0], as in Kindermans et al.


def section(now: Selection) -> None:
    probe.shared().warm()
    held, reasons = asking.techniques(now)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="sanity.controls"):
        image, mode = numbered(now), modes()
    live(now, held, image, mode)
    for reason in reasons:
        st.caption(plain(reason))
    st.subheader("All images")
    if artifact := states.check(now, stored.SHIFT):
        many(now, artifact, mode)


def numbered(now: Selection) -> int:
    """The image in focus, or the first of those that were checked; any other by its number."""
    first = now.focus if now.focus is not None else asking.numbers(now)[0]
    st.session_state["sanity.number"] = first
    st.number_input(
        "Image", 0, len(reading.labels(now.data)) - 1, key="sanity.number", width=130, on_change=to_focus,
        help="Its number. An image chosen on any page is shown here.",
    )  # fmt: skip
    return first


def to_focus() -> None:
    selection.focus(st.session_state["sanity.number"])


def modes() -> str:
    """How the input is shifted: for the one image and for all."""
    about = "  \n".join(f"{words.MODES[name].capitalize()}: {text}." for name, text in words.MODE_HELP.items())
    said = one_of("Shift", list(words.MODES.values()), "shift", default=words.MODES[SHIFTS[0]], help=about)
    return next(mode for mode, word in words.MODES.items() if word == said)


def many(now: Selection, artifact: Artifact, mode: str) -> None:
    """How the maps of many images react, at the strength of the recipe."""
    of = stored.certificate(artifact, now.epoch, mode)
    st.markdown(f"**{words.certified(of)}**")
    shifted = f"Shifted by {words.strength(mode, of.strength)} ({words.MODES[mode]})."
    st.caption(plain(f"{shifted} {words.consequence(of)}"))
    dotted.draw(now, artifact, lambda item, measure: stored.reaction(artifact, now.epoch, item, mode, measure), "shift")


# One image


@st.fragment
def live(now: Selection, held: tuple[Held, ...], image: int, mode: str) -> None:
    """This part alone is drawn again when the strength changes."""
    with plain_errors():
        strength = st.slider(
            "Strength, in ranges of the pixels' values", -STRONGEST, STRONGEST, DEFAULT, 0.05, key="strength", width=460,
            help="What is added to every pixel; of a noise image, its standard deviation. −1 turns values from 0 to 1 into "
            "values from −1 to 0.", **KEPT,
        )  # fmt: skip
        if not held:
            absent.not_asked_for(now.run, "saliency maps", absent.SALIENCY)
            return
        asked = asking.requests(now, image, mode, strength, held)
        known = probe.shared().soon(f"{visitor()}.sanity", asked, ANSWER_SECONDS)
        answers = [found for request in asked if isinstance(found := known.get(request), Answer)]
        if isinstance(known.get(asked[0]), Answer):
            certified(answers[0], mode, strength)
            original(now, image, answers[0])
            compared(now, answers, held)
        pending(asked, known)


def pending(asked: list[Request], known: Mapping[Request, Answer | LoupeError]) -> None:
    """What could not be answered, and what is not yet."""
    errors = [str(found) for found in known.values() if isinstance(found, LoupeError)]
    for text in dict.fromkeys(errors):
        st.error(plain(text), icon=":material/error:")
    if errors:
        st.button("Try again", key="sanity.again", on_click=probe.shared().forget, args=(asked,))
    elif left := len(asked) - len(known):
        st.caption(
            f"The network is at work ({len(asked) - left} of {len(asked)} answers are there); the first time takes some seconds."
        )
        st.fragment(watch, run_every=LOOK_SECONDS)(asked, len(known))


def watch(asked: list[Request], count: int) -> None:
    """Keeps asking; draws the page again when there is more."""
    with plain_errors():
        if len(probe.shared().progress(f"{visitor()}.sanity", asked)) != count:
            st.rerun()


def certified(answer: Answer, mode: str, strength: float) -> None:
    """How far the image's own logits differ; of the images that tell whether it is the same network, behind the question mark."""
    of = asking.certificate(answer, mode, strength)
    own = float(np.abs(np.diff(answer.more["shift/logits"], axis=0)).max())  # of (2, K)
    more = f"The certificate: how far the shifted network differs from the trained one. {words.certified(of)} "
    st.markdown(f"**{words.of_one(own, of)}**", help=more + methods.link("certificate", "More"))
    st.caption(plain(f"Shifted by {words.strength(mode, strength)}. {words.consequence(of)} {words.ABOUT[mode]}"))


def compared(now: Selection, answers: list[Answer], held: tuple[Held, ...]) -> None:
    """Every technique that is answered."""
    explained = now.classes[int(answers[0].more["shift/explained"][0])]
    st.caption(
        plain(f"Raw maps for {explained}, the class predicted before, at their own resolution: before, after, and after minus "
              "before. All three share one scale, so that rounding does not look like a difference.")
    )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        for item in asking.shown(answers, held):
            with st.container(width=WIDTH):
                one(item)


def original(now: Selection, image: int, answer: Answer) -> None:
    """The image as it is and as the shifted network gets it, and what is predicted for both."""
    label, received = int(reading.labels(now.data)[image]), answer.more["shift/input"]
    of_class = now.classes[label] if label == UNLABELLED else f"true {now.classes[label]}"
    chances = probabilities(answer.more["shift/logits"])
    before, after = (f"{now.classes[int(row.argmax())]} ({words.percent(float(row.max()))})" for row in chances)
    low, high = float(received.min()), float(received.max())
    plain_image = reading.pixels(now.data, (image,))[0]
    shifted = np.rint((received - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
    side = pictures.whole(plain_image.shape[0], SIDE)
    with st.container(width=round((2 + GAP) * SIDE)):
        st.image(
            pictures.png(pictures.beside([pictures.rgb(item, side) for item in (plain_image, shifted)], GAP)),
            width="stretch",
            alt=f"Image {image} ({of_class}) as it is, taken for {before}, and as the shifted network gets it, "
            f"taken for {after}",
        )
    st.caption(
        plain(f"Image {image}, {of_class}: as it is (values 0 to 1), taken for {before}; as the shifted network gets "
              f"it (values {words.signed(low)} to {words.signed(high)}, drawn over their whole range), taken for {after}.")
    )  # fmt: skip


def one(item: Shown) -> None:
    """A technique's maps before and after, their difference, and how alike they are."""
    of = item.of
    height, width = item.before.shape
    now = selection.current()
    badge = badges.of_technique(now.run, now.evaluation, now.epoch, of.name, of.layer)
    st.markdown(
        f"**{methods.link(of.name, of.title)}** :small[{plain(of.layer)}, {height} × {width}] · {badge.markdown}",
        help=badges.help_words(badge),
    )
    said = alike(item)
    panels = beside(item, dark=ground.is_dark())
    st.image(panels, width="stretch", alt=f"{of.title} before, after, and their difference: {said}")
    top = pictures.short(item.top)
    low = f"−{top}" if of.signed else "0"
    st.caption(plain(f"{said}. Scale {low} to {top}; of the difference ±{pictures.short(item.most)}."))


@remembered(BESIDE)
def beside(item: Shown, *, dark: bool) -> bytes:
    """Before, after and their difference, as PNG."""
    signed = item.of.signed
    colours = pictures.on_ground(pictures.scale_of(signed, "inferno"), dark=dark)
    places = [pictures.positions(raw, item.top, signed) for raw in (item.before, item.after)]
    difference = pictures.positions(item.difference, item.most, signed=True)
    panels = [drawn(place, colours) for place in places] + [
        framed(drawn(difference, pictures.on_ground("diverging", dark=dark)))
    ]
    return pictures.png(pictures.beside(panels, GAP))


@remembered(BESIDE)
def alike(item: Shown) -> str:
    """How alike the maps are, in words."""
    rho = words.signed(float(likeness.spearman(item.before, item.after)))
    share = float(likeness.largest(item.before, item.after))
    said = f"Spearman {rho}, largest difference {words.percent(share)} of the largest value"
    similar = float(likeness.ssim(item.before, item.after))
    return said + (f", SSIM {words.signed(similar)}" if np.isfinite(similar) else "")


def drawn(place: np.ndarray, colours: str) -> np.ndarray:
    """A map's positions in colours, its values squares: (S, S, 3)."""
    picture = pictures.coloured(place, colours)
    return np.kron(picture, np.ones((max(1, round(SIDE / picture.shape[0])),) * 2 + (1,), np.uint8))


def framed(picture: np.ndarray) -> np.ndarray:
    """The picture within a thin edge: where nothing differs, it has the colour of the page."""
    edged = (0.7 * picture + 0.3 * 128).astype(np.uint8)
    edged[1:-1, 1:-1] = picture[1:-1, 1:-1]
    return edged
