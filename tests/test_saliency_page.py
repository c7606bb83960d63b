"""The Saliency page: the three cases, what each strip holds, and that nothing moves or breaks by itself."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import epochwise, pictures, probe
from app.memory import Memory, remembered
from app.probe import Answer, Request
from app.saliency import cells, custom, enlarged, progression, strips
from precompute.cases import probabilities, recommended
from store.errors import BadInput, LoupeError
from store.objects import connect
from store.runs import Run, dataset, open_run
from tests.worlds import make_world

CASES = ("correct", "taken_for_it", "missed")


@dataclass
class FakeProbe:
    """Answers without torch: the logits are the epoch, each map is its class everywhere but in one corner."""

    patience: int = 0  # how often it is asked before it answers
    error: str = ""
    asked: list[Request] = field(default_factory=list)
    warmed: bool = False

    def progress(self, visitor: str, requests: Sequence[Request]) -> dict[Request, Any]:
        self.asked += requests
        if len(self.asked) <= self.patience:
            return {}
        return {request: LoupeError(self.error) if self.error else self.answer(request) for request in requests}

    def answer(self, request: Request) -> Answer:
        logits = np.eye(4, dtype=np.float32)[request.epoch % 4] * 3
        chosen = int(logits.argmax()) if request.classes[0] == -1 else request.classes[0]
        map_ = np.full((1, 6, 6), chosen + 1, np.float32)
        map_[0, 0, 0] = 0
        return Answer(logits, (chosen,), {name: map_ for name, _ in request.techniques})

    def warm(self) -> None:
        self.warmed = True

    def forget(self, requests: Sequence[Request]) -> None:
        self.error = ""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeProbe:
    made = FakeProbe()
    monkeypatch.setattr(probe, "shared", lambda: made)
    return made


def test_progressions_are_kept_by_their_weight(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maps as fine as the images weigh megabytes, so that a thousand of them would fill the memory."""
    room = Memory(1000, 1)
    monkeypatch.setattr(progression, "held", remembered(room)(progression.held.__wrapped__))  # type: ignore[attr-defined]
    saliency_page({"images": "0,1"})
    assert len(room.kept) == 1
    assert room.weight > 4 * 6 * 6 * 4


def test_signed_maps_alone_are_dark_in_the_middle_on_a_dark_page(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(st.context), "theme", SimpleNamespace(type="dark"))
    for show, name in (("map only", "on black"), ("overlay", "diverging")):
        page = saliency_page({"show": show})
        data = next(
            item.proto.bytes for item in page.get("bidi_component") if item.proto.component_name == "loupe_strip"
        )
        assert [scale for scale in ("on black", "diverging") if pictures.colours(scale).tobytes() in data] == [name]


def world_of(tmp_path: Path) -> tuple[Run, np.ndarray, np.ndarray]:
    """Run, labels (image,), logits (epoch, image, class)."""
    objects = connect(str(tmp_path))
    run = open_run(objects, "world-0123456789")
    evaluation = run.artifact("evaluation-0a")
    labels = dataset(objects, run.attributes["dataset"]).read_blocks("label")
    return run, labels, np.stack([evaluation.read("logits", epoch) for epoch in evaluation.marked()])


def shown(page: AppTest) -> dict[str, dict[str, Any]]:
    """The headers of all strips on the page by key, with what is selected and the levels of each row."""
    found = {}
    for item in page.get("bidi_component"):
        if item.proto.component_name != "loupe_strip":
            continue
        data = item.proto.bytes
        epoch, row = np.frombuffer(data[:8], "<i4")
        length = int.from_bytes(data[8:12], "little")
        header, body = json.loads(data[12 : 12 + length]), data[12 + length :]
        at = header["side"] ** 2 * 3 + 2 * 768
        for line in header["rows"]:
            shape = (0 if line["why"] else len(header["columns"]), line["height"], line["width"])
            line["levels"] = np.frombuffer(body, np.uint8, int(np.prod(shape)), at).reshape(shape)
            at += line["levels"].size
        found[item.key.removeprefix("strip.")] = header | {"selected": int(epoch), "open": int(row)}
    return found


def texts(page: AppTest) -> str:
    blocks = [*page.markdown, *page.caption, *page.info, *page.error]
    return "\n".join(str(block.value).replace("\\", "") for block in blocks)


def test_the_three_cases_are_those_of_the_latest_epoch(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path
) -> None:
    page = saliency_page({"class": "kind 1"}, images=40)
    _, labels, logits = world_of(tmp_path)
    expected = recommended(logits[-1], labels, 1)
    for name in CASES:
        images = getattr(expected, name)
        if len(images):
            assert shown(page)[f"case.{name}"]["caption"] == f"Image {images[0]}"
        else:
            assert f"case.{name}" not in shown(page) and "None exists" in texts(page)


def test_a_strip_holds_the_stored_maps(saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path) -> None:
    page = saliency_page({"explained": "true", "scale": "per map"})
    run, labels, logits = world_of(tmp_path)
    strip = shown(page)["case.correct"]
    image = int(strip["caption"].removeprefix("Image "))
    assert [row["title"] for row in strip["rows"]] == ["CAM", "Grad-CAM", "Grad-CAM++"]
    for row, technique, signed in ((0, "cam", True), (1, "grad-cam", False)):
        artifact = run.artifact(f"saliency-{technique}")
        for epoch in range(4):
            raw = artifact.read("maps", epoch, 0, image).astype(np.float32) * artifact.read("scale", epoch, 0, image)
            place = pictures.positions(raw, np.abs(raw).max(), signed)
            np.testing.assert_allclose(strip["rows"][row]["levels"][epoch], place * 255, atol=0.51)
    assert not fake.asked
    chance = probabilities(logits[:, image])[:, labels[image]]
    np.testing.assert_allclose([column["share"] for column in strip["columns"]], chance, rtol=1e-5)
    assert [column["epoch"] for column in strip["columns"]] == [0, 1, 2, 3]


def test_one_scale_for_the_sequence_by_default(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path
) -> None:
    strip = shown(saliency_page())["case.correct"]
    artifact, image = world_of(tmp_path)[0].artifact("saliency-cam"), int(strip["caption"].removeprefix("Image "))
    raw = np.stack(
        [artifact.read("maps", epoch, 0, image) * artifact.read("scale", epoch, 0, image) for epoch in range(4)]
    )
    top = float(np.abs(raw).max())
    np.testing.assert_allclose(strip["rows"][0]["levels"], 127.5 + 127.5 * raw / top, atol=0.51)
    assert (strip["rows"][0]["high"], strip["rows"][0]["low"]) == (f"{top:.3g}", f"−{top:.3g}")


def test_a_technique_that_does_not_apply_says_why(saliency_page: Callable[..., AppTest], fake: FakeProbe) -> None:
    row = shown(saliency_page())["case.correct"]["rows"][2]
    assert (row["title"], row["why"]) == ("Grad-CAM++", "Grad-CAM++ is not defined here: this world has no gradients.")


def test_maps_the_store_lacks_come_from_the_probe(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path
) -> None:
    page = saliency_page()
    _, _, logits = world_of(tmp_path)
    strip = shown(page)["case.taken_for_it"]
    image = int(strip["caption"].removeprefix("Image "))
    lacking = {epoch for epoch in range(4) if logits[epoch, image].argmax() != 0}
    assert {request.epoch for request in fake.asked} == lacking
    assert {request.classes for request in fake.asked} == {(0,)}
    assert all(cell["state"] == "map" for row in strip["rows"][:2] for cell in row["cells"])


def test_what_is_still_computed_is_marked_and_then_shown(
    saliency_page: Callable[..., AppTest], fake: FakeProbe
) -> None:
    fake.patience = 10**6
    page = saliency_page()
    states = [cell["state"] for cell in shown(page)["case.taken_for_it"]["rows"][0]["cells"]]
    assert "waiting" in states and "map" in states
    fake.patience = 0
    page.run()
    assert "waiting" not in [cell["state"] for cell in shown(page)["case.taken_for_it"]["rows"][0]["cells"]]
    assert "being run" not in texts(page)


def test_a_failed_probe_is_said_and_can_be_tried_again(saliency_page: Callable[..., AppTest], fake: FakeProbe) -> None:
    fake.error = "The process that runs the network ended (killed by signal 9)."
    page = saliency_page()
    assert "killed by signal 9" in texts(page)
    assert shown(page)["case.correct"]["rows"][0]["cells"]
    page.button(key="again.case.taken_for_it").click().run()
    assert "killed by signal 9" not in texts(page)


def test_next_and_previous_walk_through_a_case(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path
) -> None:
    page = saliency_page()
    _, labels, logits = world_of(tmp_path)
    images = recommended(logits[-1], labels, 0).correct
    assert page.button(key="previous.correct").disabled
    page.button(key="next.correct").click().run()
    assert shown(page)["case.correct"]["caption"] == f"Image {images[1]}"
    page.button(key="previous.correct").click().run()
    assert shown(page)["case.correct"]["caption"] == f"Image {images[0]}"


def test_a_new_epoch_does_not_change_the_cases_until_asked(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path
) -> None:
    page = saliency_page(epochs=4, finished=2, images=40)
    before = {key: strip["caption"] for key, strip in shown(page).items()}
    finish(tmp_path, 3)
    page.run()
    assert {key: strip["caption"] for key, strip in shown(page).items()} == before
    assert "epoch 3 is finished since" in texts(page)
    page.button(key="cases.newer").click().run()
    _, labels, logits = world_of(tmp_path)
    assert shown(page)["case.correct"]["caption"] == f"Image {recommended(logits[3], labels, 0).correct[0]}"


def finish(folder: Path, epoch: int) -> None:
    """Writes one more epoch, as a run in progress does."""
    from app import reading
    from tests import worlds

    run, labels, _ = world_of(folder)
    logits = worlds.logits_at(epoch, labels, 4)
    measures = worlds.measures(logits, labels, 4)
    run.artifact("evaluation-0a").write(epoch, {name: value[None] for name, value in measures.items()})
    layer = run.attributes["layers"][0]
    for technique, (_, signed) in worlds.TECHNIQUES.items():
        sizes = {"y": layer["height"], "x": layer["width"]}
        values = worlds.maps_at(epoch, sizes, labels, logits.argmax(-1), signed=signed)
        run.artifact(f"saliency-{technique}").write(epoch, values)
    reading.marks.clear()


def lagging(folder: Path, **world: Any) -> None:
    """A world whose epoch 3 is evaluated, but has no maps yet."""
    from app import reading
    from tests import worlds

    make_world(folder, epochs=4, finished=2, images=40, **world)
    run, labels, _ = world_of(folder)
    measures = worlds.measures(worlds.logits_at(3, labels, 4), labels, 4)
    run.artifact("evaluation-0a").write(3, {name: value[None] for name, value in measures.items()})
    reading.marks.clear()


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds between the runs of each strip's fragment."""
    import streamlit as st

    real, seen = st.fragment, []

    def spy(function: Callable[..., Any], *, run_every: float | None = None) -> Callable[..., Any]:
        seen.extend([run_every] if function is cells.follow else [])
        return real(function, run_every=run_every)

    monkeypatch.setattr(st, "fragment", spy)
    return seen


def last_cells(page: AppTest) -> list[dict[str, str]]:
    return [row["cells"][-1] for row in shown(page)["case.correct"]["rows"][:2]]


def test_maps_that_lag_behind_are_waited_for_while_the_run_goes_on(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path, timers: list[float]
) -> None:
    lagging(tmp_path)
    page = saliency_page({"explained": "true"}, epochs=4, finished=2, images=40)
    assert {cell["label"].split(": ")[1] for cell in last_cells(page)} == {"still being computed"}
    assert timers and set(timers) == {cells.LAG_SECONDS}
    finish(tmp_path, 3)
    timers.clear()
    page.run()
    assert [cell["state"] for cell in last_cells(page)] == ["map", "map"] and not timers


def test_a_question_is_renewed_with_what_is_finished_since(fake: FakeProbe, tmp_path: Path) -> None:
    from app import reading, selection

    lagging(tmp_path)
    run, _, _ = world_of(tmp_path)
    evaluation = reading.evaluation(run)
    selected = selection.Selection(run, evaluation, reading.dataset(evaluation), (0, 1, 2, 3), 3, 0, ())
    question = progression.renewed(progression.Question(selected, selected.epochs, "true", "features.4"))
    before = progression.of_image(question, 0, "a visitor")
    assert cells.pause_of(before) == cells.LAG_SECONDS and before.states["cam"][3] == "waiting"
    finish(tmp_path, 3)
    after = progression.of_image(progression.renewed(question), 0, "a visitor")
    assert cells.pause_of(after) is None and after.states["cam"] == ("map",) * 4


@pytest.mark.parametrize("state", ["failed", "stopped", "finished"])
def test_maps_that_nobody_computes_are_not_waited_for(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path, timers: list[float], state: str
) -> None:
    lagging(tmp_path, status={"state": state})
    page = saliency_page({"explained": "true"}, epochs=4, finished=2, images=40, status={"state": state})
    assert [cell["words"] for cell in last_cells(page)] == ["not computed"] * 2
    assert not timers


def test_a_strip_that_cannot_be_found_any_more_is_an_error_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def fail(*_: Any) -> None:
        raise LoupeError("gone")

    monkeypatch.setattr(cells, "find", fail)
    monkeypatch.setattr("streamlit.error", lambda text, **_: said.append(text))
    cells.follow(None, "own", None, None, cells.POLL_SECONDS)
    assert said == ["gone"]


def test_maps_of_a_network_that_diverged_are_no_maps(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests import worlds

    sane = worlds.maps_at

    def maps_at(epoch: int, *how: Any, **more: Any) -> dict[str, np.ndarray]:
        found = sane(epoch, *how, **more)
        if epoch == 1:
            found["scale"][:] = np.nan
        if epoch == 2:
            found["maps"][..., 0, 0] = np.nan
        return found

    monkeypatch.setattr(worlds, "maps_at", maps_at)
    page = saliency_page({"explained": "true", "epoch": "1"})
    for row in shown(page)["case.correct"]["rows"][:2]:
        assert [cell["words"] for cell in row["cells"]] == ["", "not a number", "not a number", ""]
        assert row["cells"][1]["label"].endswith(": not a number: the network had diverged")
        assert "nan" not in json.dumps({name: row[name] for name in ("low", "high", "cells")})
    page.session_state["enlarged"] = ("case.correct", "cam")
    page.run()
    assert not page.exception and "not a number: the network had diverged" in texts(page)


def test_maps_belong_to_the_evaluation_that_is_shown(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path
) -> None:
    from tests import worlds

    make_world(tmp_path, summarise=False)
    run, _, _ = world_of(tmp_path)
    labels = (np.arange(40) * 3 + 1) % 4  # other images, with other labels
    data = worlds.make_images(run.objects, labels, 12, 1, 4)
    worlds.add_evaluation(run, range(4), labels, 4, 3, data, "evaluation-0b")
    page = saliency_page({"explained": "true", "images": "39"}, summarise=False)
    assert "holds no saliency maps" in texts(page) and not shown(page)
    worlds.add_saliency(run, range(4), labels, 4, 3, "evaluation-0b", "-0b")
    forget_caches()
    page = saliency_page({"explained": "true", "images": "39"}, summarise=False)
    assert "kind 2 (the true class)" in shown(page)["focus"]["note"]  # (39 * 3 + 1) % 4
    assert [cell["state"] for row in shown(page)["focus"]["rows"][:2] for cell in row["cells"]] == ["map"] * 8
    page.switch_page("app/views/overview.py").run()
    assert "n = 40 evaluated test images" in texts(page)


def test_the_epoch_of_the_bar_is_framed_and_a_click_on_a_cell_enlarges_it(
    saliency_page: Callable[..., AppTest], fake: FakeProbe
) -> None:
    page = saliency_page({"epoch": "1"})
    assert shown(page)["case.correct"]["selected"] == 1
    page.session_state["enlarged"] = ("case.correct", "grad-cam")
    page.run()
    assert shown(page)["case.correct"]["open"] == 1
    assert shown(page)["case.taken_for_it"]["open"] == -1
    words = texts(page)
    for part in (
        "[Grad-CAM](methods?about=grad-cam&run=world-0123456789), epoch 1",
        "Largest value",
        "Half of the evidence",
        "features.4 (6 × 6",
        "after epoch 1 of run world",
    ):
        assert part in words
    assert [item.proto.label for item in page.get("download_button")] == ["PNG with caption", "NPZ with raw values"]
    page.button(key="close.case.correct").click().run()
    assert "Largest value" not in texts(page)


def test_a_damaged_shard_is_said_and_the_other_rows_stay(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, tmp_path: Path
) -> None:
    page = saliency_page()
    shard = next(path for path in (tmp_path / "runs").rglob("saliency-cam/maps/c/2/**/*") if path.is_file())
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 255
    shard.write_bytes(bytes(data))
    forget_caches()
    page.run()
    assert "not what was written" in texts(page) and "--repair" in texts(page)
    cam, grad_cam = shown(page)["case.correct"]["rows"][:2]
    assert [cell["state"] for cell in cam["cells"]] == ["map", "map", "damaged", "map"]
    assert [cell["state"] for cell in grad_cam["cells"]] == ["map"] * 4


def forget_caches() -> None:
    from app import reading

    reading.by_kind.clear()
    progression.OF_STORE.kept.clear()
    epochwise.OF_ONE_IMAGE.kept.clear()


def test_any_image_can_be_asked_for_by_its_number(saliency_page: Callable[..., AppTest], fake: FakeProbe) -> None:
    page = saliency_page()
    page.number_input(key="number").set_value(7).run()
    assert shown(page)["focus"]["caption"] == "Image 7"


def test_the_explained_class_follows_the_choice(saliency_page: Callable[..., AppTest], fake: FakeProbe) -> None:
    page = saliency_page({"class": "kind 2"})
    assert "Explains kind 2 (the chosen class)" in shown(page)["case.correct"]["note"]
    page = saliency_page({"class": "kind 2", "explained": "predicted"})
    strip = shown(page)["case.correct"]
    assert "predicted at each epoch" in strip["note"] and strip["scoreName"] == "p(predicted)"
    best = [column["share"] for column in strip["columns"]]
    assert min(best) >= 0.25


def upload(page: AppTest, name: str, data: bytes) -> AppTest:
    page.session_state["own"] = True
    page.run()
    page.file_uploader(key="own.file").upload(name, data).run()
    return page


def encoded(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def test_an_uploaded_picture_gets_its_progression(saliency_page: Callable[..., AppTest], fake: FakeProbe) -> None:
    page = upload(saliency_page({"explained": "predicted"}), "mine.png", encoded(Image.new("RGB", (40, 30), "red")))
    assert fake.warmed
    strip = shown(page)["own"]
    assert [column["predicted"] for column in strip["columns"]] == ["kind 0", "kind 1", "kind 2", "kind 3"]
    assert all(cell["state"] == "map" for row in strip["rows"][:2] for cell in row["cells"])
    sent = [request for request in fake.asked if request.classes == (-1,)]
    assert {request.shape for request in sent} == {(12, 12, 1)} and [request.epoch for request in sent][:4] == [
        0,
        1,
        2,
        3,
    ]
    assert "40 × 30" in texts(page) and "grey" in texts(page)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"these are words", "not a picture"),
        (encoded(Image.new("RGB", (60, 60), "red"))[:-60], "damaged"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(
    saliency_page: Callable[..., AppTest], fake: FakeProbe, data: bytes, words: str
) -> None:
    page = upload(saliency_page(), "mine.png", data)
    assert words in texts(page)
    assert "own" not in shown(page) and "case.correct" in shown(page)


def test_a_decompression_bomb_is_refused() -> None:
    with pytest.raises(BadInput, match="pixels"):
        custom.prepared(encoded(Image.new("1", (12_000, 12_000))), "bomb.png", 28, 1)


@pytest.mark.parametrize(
    ("image", "kind", "words"),
    [
        (Image.new("CMYK", (30, 30), (0, 255, 0, 0)), "JPEG", "CMYK"),
        (Image.fromarray(np.full((30, 30), 40_000, np.uint16)), "PNG", "8 bits"),
        (Image.new("RGBA", (30, 30), (255, 0, 0, 90)), "PNG", "transparent"),
    ],
)
def test_unusual_pictures_are_converted_with_a_note(image: Image.Image, kind: str, words: str) -> None:
    shape, pixels, notes = custom.prepared(encoded(image, kind), "mine", 12, 3)
    assert shape == (12, 12, 3) and len(pixels) == 12 * 12 * 3
    assert any(words in note for note in notes)


def test_many_epochs_are_thinned_evenly_with_first_last_and_selected() -> None:
    epochs = tuple(range(101))
    assert progression.thinned(epochs[:30], 3) == epochs[:30]
    columns = progression.thinned(epochs, 2)
    assert len(columns) == 31 and {0, 2, 100} <= set(columns)
    assert set(progression.thinned(epochs, 100)) == set(columns) - {2}
    steps = np.diff(progression.thinned(epochs, 0))
    assert steps.max() - steps.min() <= 1


def test_probabilities_are_said_with_the_precision_they_deserve() -> None:
    assert strips.percent(float("nan")) == "–"
    said = [strips.percent(share).replace("\N{NO-BREAK SPACE}", " ") for share in (0, 0.001, 0.874, 0.9999, 1)]
    assert said == ["0%", "<1%", "87%", ">99%", "100%"]


def test_the_evidence_in_a_box_is_counted_by_area(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr(enlarged, "boxed", lambda data, image: np.array([0, 0, 8, 4], np.float32))
    data = SimpleNamespace(attributes={"arrays": {"box": 2}})
    scene = SimpleNamespace(question=SimpleNamespace(selection=SimpleNamespace(data=data)))
    raw = np.array([[3.0, 3.0], [1.0, 1.0]], np.float32)
    view = SimpleNamespace(scene=scene, progression=SimpleNamespace(image=0, pixels=np.zeros((8, 8, 1))), raw=raw)
    inside, area = enlarged.evidence_in_box(view)
    assert area == 0.5 and inside == pytest.approx(np.maximum(pictures.enlarge(raw, 8), 0)[:4].sum() / (2 * 64))
