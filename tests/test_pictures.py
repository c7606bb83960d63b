"""Pictures: the scale a map is drawn on, flat maps, colours, and that the browser draws what Python draws."""

import io
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image
from playwright.sync_api import Browser, Page

from app import pictures
from app.saliency import enlarged
from app.widgets import strip
from app.widgets.strip import Cell, Column, Row, Strip


def bump(side: int = 7) -> np.ndarray:
    """A positive map with one place that stands out, and zeros."""
    axis = np.arange(side) - side // 2
    return np.maximum(0, 1 - 0.1 * (axis[:, None] ** 2 + axis**2)).astype(np.float32)


def growing() -> np.ndarray:
    return np.stack([scale * bump() for scale in (0.01, 0.1, 0.5, 1.0)])


def places(maps: np.ndarray, *, shared: bool, signed: bool = False) -> np.ndarray:
    return pictures.positions(maps, pictures.tops(maps, shared=shared)[:, None, None], signed)


def test_on_one_scale_for_the_sequence_a_growing_map_grows() -> None:
    np.testing.assert_allclose(places(growing(), shared=True).max((1, 2)), [0.01, 0.1, 0.5, 1], rtol=1e-6)


def test_on_its_own_scale_each_map_looks_the_same() -> None:
    drawn = places(growing(), shared=False)
    np.testing.assert_allclose(drawn, np.broadcast_to(drawn[0], drawn.shape), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 3e-9, 0.7, -0.7])
def test_a_flat_map_is_never_stretched(value: float) -> None:
    flat = np.full((1, 7, 7), value, np.float32) * (1 + 1e-4 * bump())
    for signed, zero in ((False, 0), (True, 0.5)):
        assert (places(flat, shared=False, signed=signed) == zero).all()
    assert pictures.no_evidence(flat[0]) == ("no positive evidence" if value <= 0 else "the same everywhere")


def test_a_weak_map_that_is_not_flat_keeps_its_pattern() -> None:
    assert not pictures.flat(1e-8 * bump())
    assert pictures.no_evidence(1e-8 * bump()) == ""
    np.testing.assert_allclose(places(1e-8 * bump()[None], shared=False)[0], bump(), atol=1e-6)


@given(some.floats(-1e6, 1e6, allow_nan=False), some.floats(1e-6, 1e6))
@settings(deadline=None, max_examples=50)
def test_signed_values_lie_symmetric_about_the_middle(value: float, top: float) -> None:
    raw = np.array([[value, -value], [0, top]])
    drawn = pictures.positions(raw, max(abs(value), top), signed=True)
    assert drawn[0, 0] + drawn[0, 1] == pytest.approx(1)
    assert drawn[1, 0] == 0.5


def test_zero_of_a_signed_scale_is_its_lightest_colour_and_evidence_only_ever_brightens_inferno() -> None:
    assert abs(int(pictures.colours("diverging").astype(int).sum(1).argmax()) - 127.5) < 3
    light = pictures.colours("inferno") @ [0.299, 0.587, 0.114]
    assert (np.diff(light) > -1).all() and light[-1] - light[0] > 200


def test_epochs_without_a_map_do_not_count_and_have_no_top() -> None:
    maps = np.concatenate([growing(), np.full((1, 7, 7), np.nan, np.float32)])
    assert np.isnan(pictures.tops(maps, shared=True)).tolist() == [False] * 4 + [True]
    assert (places(maps, shared=True)[4] == 0).all()
    assert np.isnan(pictures.tops(maps[4:], shared=True)).all()


@pytest.mark.parametrize(("cells", "side"), [(7, 28), (4, 4), (1, 5), (14, 97), (8, 3)])
def test_maps_are_enlarged_as_pytorch_does(cells: int, side: int) -> None:
    map_ = np.random.default_rng(cells).normal(size=(cells, cells + 1))
    expected = F.interpolate(
        torch.from_numpy(map_)[None, None], size=(side, side), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(pictures.enlarge(map_, side), expected[0, 0].numpy(), atol=1e-12)


def test_where_there_is_no_evidence_the_image_shows_through() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    for name, nothing in (("inferno", 0.0), ("diverging", 0.5)):
        drawn = pictures.overlay(image, np.full((8, 8), nothing), name, 1.0)
        grey = image @ [0.299, 0.587, 0.114]
        np.testing.assert_allclose(drawn, (image + grey[..., None]) / 2, atol=0.51)


def test_full_evidence_at_full_opacity_is_the_scale_s_own_colour() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    assert (pictures.overlay(image, np.ones((4, 4)), "viridis", 1.0) == pictures.colours("viridis")[-1]).all()
    assert (pictures.overlay(image, np.zeros((4, 4)), "diverging", 1.0) == pictures.colours("diverging")[0]).all()


def test_small_images_keep_whole_pixels_and_grey_ones_get_three_channels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 5, 1), np.uint8)
    np.testing.assert_array_equal(pictures.rgb(image, 15)[1::3, 1::3], np.repeat(image, 3, 2))


def test_a_png_loses_nothing_and_an_npz_needs_no_pickle() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(pictures.png(picture)))), picture)
    with np.load(io.BytesIO(pictures.npz({"map": bump(), "caption": "Image 3: 7 → 9"})), allow_pickle=False) as held:
        assert set(held) == {"map", "caption"}
        assert str(held["caption"]) == "Image 3: 7 → 9"
        np.testing.assert_array_equal(held["map"], bump())


def test_a_sheet_holds_its_panels_unchanged_above_the_caption() -> None:
    panels = [np.full((40, 40, 3), value, np.uint8) for value in (10, 200)]
    page = np.asarray(Image.open(io.BytesIO(pictures.sheet(panels, "Image 3: 7 → 9 " * 20))))
    assert (page[12:52, 12:52] == 10).all() and (page[12:52, 64:104] == 200).all()
    assert page.shape[0] > 52 + 5 * 18 and (page[60:] < 128).any()


def test_half_of_the_evidence_lies_in_half_of_an_even_map_and_in_one_cell_of_a_peak() -> None:
    assert enlarged.half_share(np.ones((4, 4))) == 0.5
    peak = np.zeros((4, 4))
    peak[1, 2] = 1
    assert enlarged.half_share(peak - 0.1) == 1 / 16


def example(side: int = 28, *, over: bool = True) -> Strip:
    random = np.random.default_rng(5)
    levels = random.integers(0, 256, (2, 3, 5, 5), np.uint8)
    cells = tuple(Cell("map", "", f"cell {number}") for number in range(3))
    rows = [
        Row("Grad-CAM", "5 × 5", "", high="1", low="0", cells=cells, levels=levels[0]),
        Row("CAM", "", "", why="There is no CAM here."),
        Row("Signed", "5 × 5", "", signed=True, high="1", low="−1", cells=cells, levels=levels[1]),
    ]
    columns = tuple(Column(epoch, 0.5, "50%", "nine", False, "") for epoch in (0, 1, 5))
    image = random.integers(0, 256, (side, side, 3), np.uint8)
    return Strip(
        image, columns, tuple(rows), "Image 1", "alt", "label", "note", "p(9)", "viridis", opacity=0.6, over=over
    )


def test_a_packed_strip_can_be_taken_apart_byte_by_byte() -> None:
    made = example()
    message = strip.addressed(strip.pack(made), 5, 2)
    assert np.frombuffer(message[:8], "<i4").tolist() == [5, 2]
    length = int.from_bytes(message[8:12], "little")
    header, body = json.loads(message[12 : 12 + length]), message[12 + length :]
    assert [row["why"] for row in header["rows"]] == ["", "There is no CAM here.", ""]
    assert body[: 28 * 28 * 3] == made.image.tobytes()
    assert body[-2 * 75 :] == made.rows[0].levels.tobytes() + made.rows[2].levels.tobytes()
    assert len(body) == 28 * 28 * 3 + 2 * 768 + 2 * 75


def test_large_images_are_sent_small() -> None:
    assert len(strip.pack(example(224))) < 112 * 112 * 3 + 8000


def drawn_in(browser: Browser, made: Strip, *, selected: int = 0) -> Page:
    """A page that holds just the strip; `told` collects what the component tells Python."""
    html, script, css = (strip.TEXTS[kind] for kind in ("html", "js", "css"))
    page = browser.new_page(viewport={"width": 900, "height": 600})
    page.set_content(f"<style>{css}</style><main>{html}</main>")
    page.evaluate(
        """async ([script, message]) => {
          const { default: draw } = await import(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
          window.told = [];
          const setTriggerValue = (name, value) => window.told.push([name, value]);
          draw({ data: new Uint8Array(message), parentElement: document.querySelector("main"), setTriggerValue });
        }""",
        [script, list(strip.addressed(strip.pack(made), selected, -1))],
    )
    return page


@pytest.mark.browser
@pytest.mark.parametrize("over", [True, False])
def test_the_browser_draws_what_python_draws(browser: Browser, over: bool) -> None:
    made = example(over=over)
    drawn = drawn_in(browser, made).evaluate(
        """() => [...document.querySelectorAll(".cell canvas")].map((canvas) =>
          [canvas.width, ...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.width).data])"""
    )
    assert len(drawn) == 6
    for number, (side, *values) in enumerate(drawn):
        row, scale = (made.rows[0], "viridis") if number < 3 else (made.rows[2], "diverging")
        place = pictures.enlarge(row.levels[number % 3] / 255, side)
        image = pictures.rgb(made.image, side)
        expected = pictures.overlay(image, place, scale, 0.6) if over else pictures.coloured(place, scale)
        found = np.array(values, np.uint8).reshape(side, side, 4)[..., :3]
        wrong = np.abs(found.astype(int) - expected)
        assert wrong.max() <= 4 and wrong.mean() < 0.05  # halves round to either side: one step of the colour scale


@pytest.mark.browser
def test_a_strip_is_worked_by_mouse_and_by_keyboard(browser: Browser) -> None:
    page = drawn_in(browser, example(), selected=1)
    page.locator("button.cell").nth(2).click()
    page.locator("button.head").nth(0).click()
    page.locator("button.cell").nth(0).focus()
    for key in ("ArrowRight", "ArrowDown", "End", "ArrowLeft", "Enter"):  # the row without maps is stepped over
        page.keyboard.press(key)
    told = [value for _, value in page.evaluate("window.told")]
    assert told == [{"row": 0, "epoch": 5}, {"row": -1, "epoch": 0}, {"row": 2, "epoch": 1}]
    assert page.locator("button[tabindex='0']").count() == 1


@pytest.mark.browser
def test_a_strip_says_what_it_shows(browser: Browser) -> None:
    page = drawn_in(browser, example(), selected=5)
    assert page.get_by_role("grid", name="label").count() == 1
    assert page.get_by_role("img", name="alt").count() == 1
    assert page.get_by_role("gridcell", name="cell 2").count() == 2
    assert page.get_by_text("There is no CAM here.").is_visible()
    assert page.locator(".head.selected").inner_text() == "5"
    assert page.locator(".ends").first.inner_text().split() == ["1", "0"]
