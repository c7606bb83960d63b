"""The Testing page over a real run and the real child: what it shows is what the network says, and the address holds it."""

import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import probe
from app.probe import Probe
from app.testing import asking
from precompute.catalogue import CHANGES
from precompute.edits import ORDER
from precompute.making import make
from store.errors import LoupeError
from store.objects import connect
from store.runs import Run, dataset
from tests import tiny, visits

IMAGE = 4  # a green bar


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("testing")
    return make(connect(str(folder / "store")), tiny.colour_recipe(folder))


@pytest.fixture(scope="module")
def child() -> Iterator[Probe]:
    made = Probe()
    made.warm()
    yield made
    if made.child:
        made.child.kill()


@pytest.fixture
def visit(run: Run, child: Probe, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens the page at an address, and waits until all curves are there."""
    monkeypatch.setenv("LOUPE_STORE", str(run.objects.local))
    monkeypatch.setattr(probe, "shared", lambda: child)

    def opened(**address: str) -> AppTest:
        return answered(visits.app("app/views/testing.py", **({"images": str(IMAGE)} | address)))

    return opened


def answered(page: AppTest) -> AppTest:
    """The page when everything asked for is there."""
    for _ in range(60):
        page.run()
        if page.error or (page.get("bidi_component") and not waiting(page)):
            break
        time.sleep(0.05)
    assert not page.exception
    return page


def texts(page: AppTest) -> str:
    blocks = [*page.markdown, *page.caption, *page.info, *page.error]
    return "\n".join(str(block.value).replace("\\", "") for block in blocks)


def answer(page: AppTest, child: Probe) -> probe.Answer:
    """What the probe said last about the image before and after."""
    return next(found for asked, found in reversed(child.answers.items()) if asked.edits and not asked.along)


def widget(page: AppTest, name: str) -> Any:
    """What one of our widgets was sent."""
    return next(
        (item.proto for item in page.get("bidi_component") if item.proto.component_name == f"loupe_{name}"), None
    )


def rows(page: AppTest) -> dict[str, dict[str, Any]]:
    """The sliders by name."""
    return {row["name"]: row for row in json.loads(widget(page, "sliders").json)["rows"]}


def waiting(page: AppTest) -> bool:
    sent = widget(page, "sliders")
    return bool(sent and json.loads(sent.json)["waiting"])


def pictured(page: AppTest) -> dict[str, Any]:
    """The header of the pictures, with their arrays."""
    data = widget(page, "pair").bytes
    length = int.from_bytes(data[:4], "little")
    header, body = json.loads(data[4 : 4 + length]), np.frombuffer(data[4 + length :], np.uint8)
    side, levels = header["side"], header["height"] * header["width"]
    images, maps = body[: 6 * side**2], body[6 * side**2 + 3 * 768 :]
    assert len(maps) == levels * len(header["maps"])
    return header | {
        "pixels": images.reshape(2, side, side, 3),
        "levels": maps.reshape(len(header["maps"]), header["height"], header["width"]),
    }


def address(page: AppTest) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value for name, value in page.query_params.items()}


def change(page: AppTest, **settings: object) -> AppTest:
    """Edits as somebody writes them into the address."""
    page.query_params["edits"] = ",".join(f"{name}:{value}" for name, value in settings.items())
    return answered(page)


def test_an_image_as_it_is_changes_nothing(visit: Callable[..., AppTest], run: Run) -> None:
    page = visit()
    assert "green (>99%, right)" in texts(page).replace("\N{NO-BREAK SPACE}", " ")
    shown = pictured(page)
    assert shown["words"] == "The two maps are the same." and (shown["levels"][2] == 128).all()
    np.testing.assert_array_equal(shown["pixels"][0], shown["pixels"][1])
    pixels = dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels", [IMAGE])[0]
    np.testing.assert_array_equal(shown["pixels"][0], pixels)
    assert any("Probabilities before and after. Before green" in item.proto.body for item in page.get("html"))
    assert list(rows(page)) == list(CHANGES) and all(row["curve"] for row in rows(page).values())
    assert rows(page)["hue"]["curve"]["flips"] and ORDER in texts(page)
    for level in shown["maps"][:2]:
        assert level["href"] == f"methods?about=grad-cam&run={run.id}" and level["badge"]["words"] == "not checked"
        assert level["badge"]["href"].startswith("reliability?run=")
    assert shown["maps"][2]["badge"] is None
    assert [bool(level["high"]) for level in shown["maps"]] == [True, True, False]  # no scale where nothing differs
    assert shown["images"][0]["title"] == f"Image {IMAGE}, original" and "→ **" not in texts(page)
    assert shown["images"][0]["words"].startswith("true green → green (")
    assert page.number_input(key="testing.number").value == IMAGE


def test_a_turn_of_hue_makes_another_class(visit: Callable[..., AppTest], child: Probe) -> None:
    page = visit()
    change(page, hue=120, rotation=30)
    found = answer(page, child)
    assert found.more["edited/logits"].argmax() == tiny.COLOURS.index("blue")
    assert "→ **blue" in texts(page) and "wrong: it is green" in texts(page)
    shown = pictured(page)
    assert shown["images"][1]["title"] == f"Image {IMAGE}, edited" and "rotation moved what is there" in shown["words"]
    assert shown["images"][1]["words"].startswith("true green → blue (") and shown["maps"][2]["high"]
    np.testing.assert_array_equal(shown["pixels"][1], np.rint(found.more["edited/pixels"] * 255))
    assert rows(page)["hue"]["value"] == 120


def test_the_address_restores_everything(visit: Callable[..., AppTest], run: Run, child: Probe) -> None:
    state = "rotation:15,flip_vertical:1,hue:-100,region:0.1/0.2/0.5/0.6,fill:black,corners:black,seed:7,target:2"
    page = visit(edits=state, technique="grad-cam++", explains="after", epoch="3")
    asked = next(reversed([asked for asked in child.answers if not asked.along]))
    assert asked.epoch == 3 and asked.edits.values == {"rotation": 15, "flip_vertical": 1, "hue": -100}
    assert (asked.edits.region, asked.edits.fill, asked.edits.corners) == ((0.1, 0.2, 0.5, 0.6), "black", "black")
    assert (asked.edits.seed, asked.edits.attacked) == (7, 2) and "FGSM raises the loss of blue." in texts(page)
    assert asked.techniques == (("grad-cam++", "{}"),) and asked.classes == (asking.PREDICTED_AFTER,)
    assert "A region is removed, and filled with black." in texts(page)
    assert address(page)["edits"] == state


def test_edits_outlive_other_pages(visit: Callable[..., AppTest]) -> None:
    page = visit(edits="hue:120")
    page.switch_page("app/views/overview.py").run()
    assert address(page)["edits"] == "hue:120"
    page.switch_page("app/views/testing.py")
    assert rows(answered(page))["hue"]["value"] == 120


def test_a_click_on_a_flip_goes_where_the_prediction_changes(visit: Callable[..., AppTest], child: Probe) -> None:
    page = visit()
    value = rows(page)["hue"]["curve"]["flips"][-1]["value"]
    change(page, hue=repr(value))
    found = answer(page, child)
    assert found.more["edited/logits"].argmax() != found.logits.argmax() and rows(page)["hue"]["value"] == value


def test_what_is_taken_away_is_what_the_network_saw(visit: Callable[..., AppTest], child: Probe) -> None:
    page = visit(edits="hue:120,blur:3")
    page.session_state["testing.files"] = True
    page.run()
    found, files = answer(page, child), page.session_state["testing.contents"][1]
    saw = found.more["edited/pixels"]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(files["png"]))), np.rint(saw * 255))
    numbers = np.load(io.BytesIO(files["npz"]))
    np.testing.assert_array_equal(numbers["edited"], saw)
    np.testing.assert_array_equal(numbers["map_after"], found.more["edited/map/grad-cam"][0])
    assert json.loads(str(numbers["edits"]))["settings"] == [["hue", 120], ["blur", 3]]
    assert "hue 120°, blur 3" in str(numbers["caption"]).lower() and files["sheet.png"].startswith(b"\x89PNG")
    (link,) = (code.value for code in page.code)
    assert "epoch=4" in link and "edits=hue%3A120%2Cblur%3A3" in link and "technique=grad-cam" in link


def test_undo_undoes_all(visit: Callable[..., AppTest], child: Probe) -> None:
    page = visit(edits="flip_horizontal:1,brightness:0.5,hue:120,region:0.1/0.2/0.5/0.6,seed:3")
    page.button(key="testing.reset").click()
    answered(page)
    assert pictured(page)["words"] == "The two maps are the same." and address(page)["edits"] == "seed:3"


def test_the_curves_are_asked_for_once_the_edit_was_seen(visit: Callable[..., AppTest], child: Probe) -> None:
    page = visit()
    page.query_params["edits"] = "contrast:1.35"
    page.run()
    assert len(wanted(child)) == 1
    page.run()
    assert len(wanted(child)) == 1 + len(CHANGES)


def wanted(child: Probe) -> list[probe.Request]:
    """What the visitor who looked last waits for."""
    return list(max(child.looking.values(), key=lambda item: item[0])[1])


def test_options_go_into_the_address(visit: Callable[..., AppTest], child: Probe) -> None:
    page = visit(edits="noise:20")
    page.session_state["testing.options"] = True
    page.run()
    page.number_input(key="testing.seed").set_value(5).run()
    page.selectbox(key="testing.target").select("predicted").run()
    answered(page)
    assert address(page)["edits"] == "noise:20,seed:5,target:predicted"
    assert "the class predicted before" in texts(page)


def test_an_uploaded_picture_is_tested(visit: Callable[..., AppTest], child: Probe) -> None:
    page = visit(source="own picture")
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "blue").save(file, "PNG")
    page.file_uploader(key="testing.file").upload("mine.png", file.getvalue())
    answered(page)
    asked = next(reversed([asked for asked in child.answers if not asked.along]))
    assert asked.shape == (16, 16, 3) and asked.edits.attacked == asking.PREDICTED
    assert "40 × 30" in texts(page) and "the class predicted before" in texts(page)
    page.switch_page("app/views/overview.py").run()
    page.switch_page("app/views/testing.py")
    original = pictured(answered(page))["images"][0]
    assert original["title"] == "Your picture, original" and original["words"].startswith("taken for blue (")
    page.button(key="testing.forget").click().run()
    assert not widget(page, "pair")
    page.file_uploader(key="testing.file").upload("mine.png", b"no picture").run()
    assert "not a picture" in texts(page) and not page.exception


def test_without_an_image_the_page_says_where_to_find_one(visit: Callable[..., AppTest]) -> None:
    page = visit(images="")
    assert "Click an image" in texts(page) and not widget(page, "pair")
    page.number_input(key="testing.number").set_value(7)
    answered(page)
    assert address(page)["images"] == "7"


def test_a_technique_that_is_not_defined_says_why_and_the_rest_stays(visit: Callable[..., AppTest]) -> None:
    page = visit(technique="cam")
    assert "CAM needs" in texts(page) and not pictured(page)["maps"] and rows(page)["hue"]["curve"]


def test_a_probe_that_died_is_said_and_the_next_edit_works(
    visit: Callable[..., AppTest], child: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit()
    working, child.answer = child.answer, lambda request: LoupeError("The process ended (killed by signal 9).")
    page.query_params["edits"] = "noise:33"
    page.run()
    page.run()
    child.answer = working
    assert "killed by signal 9" in texts(page)
    page.button(key="testing.again").click()
    answered(page)
    assert "killed" not in texts(page) and rows(page)["noise"]["value"] == 33


def test_the_curve_s_mark_lies_on_the_curve(visit: Callable[..., AppTest], run: Run, child: Probe) -> None:
    """The live value at a point of the curve is the curve's, on the page's own requests."""
    visit(edits="hue:45")
    live = next(found for asked, found in reversed(child.answers.items()) if asked.edits and not asked.along)
    along = next(found for asked, found in reversed(child.answers.items()) if asked.along == ("hue",))
    place = along.more["along/hue/values"].tolist().index(45)
    np.testing.assert_allclose(along.more["along/hue/logits"][place], live.more["edited/logits"], atol=1e-5)
    pixels = dataset(run.objects, run.attributes["dataset"]).read_blocks("pixels", [IMAGE])[0]
    assert live.more["edited/pixels"].shape == pixels.shape


def test_techniques_of_the_input_need_no_layer_and_say_how_nearly_they_add_up(
    visit: Callable[..., AppTest], child: Probe
) -> None:
    page = visit(technique="integrated-gradients", edits="brightness:0.5")
    assert page.selectbox(key="word.at").disabled
    shown = pictured(page)
    assert (shown["height"], shown["width"]) == (tiny.SIDE, tiny.SIDE)
    assert [level["signed"] for level in shown["maps"]] == [True, True, True]
    sums = answer(page, child).more["edited/completeness/integrated-gradients"]
    assert f"the edited one's adds up to {sums[0, 0]:.3g} of {sums[0, 1]:.3g}" in shown["words"]
    assert "Of the input (16 × 16" in shown["words"]
