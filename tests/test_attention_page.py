"""The Attention page: curves, numbers and intervals are the stored ones, a drawn region is followed, every state is told."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from app import reading
from app.attention import change, settling, stored
from app.attention import shares as sharing
from app.widgets import region as region_widget
from precompute.regions import interval
from store.objects import connect
from store.runs import Run, dataset, open_run
from tests import visits
from tests.test_regions import slowly
from tests.worlds import make_world
from tests.worlds_attention import AREAS, GROUPS, make_attended, shares

PAGE = "app/views/attention.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attended")
    make_attended(folder)
    return folder


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch, page: str = PAGE, **address: str) -> AppTest:
    return visits.opened(folder, monkeypatch, page, **address)


def run_of(folder: Path) -> Run:
    return open_run(connect(str(folder)), "world-0123456789")


def texts(page: AppTest) -> str:
    blocks = [*page.markdown, *page.caption, *page.info, *page.error, *page.warning]
    return "\n".join(str(block.value).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ") for block in blocks)


def chart(page: AppTest, key: str = "attention.shares") -> list[pd.DataFrame]:
    every = [item.proto for item in page.get("vega_lite_chart")]
    axis = {"attention.shares": "share of the positive", "attention.change": "rank correlation of the maps"}[key]
    (found,) = [item for item in every if axis in item.spec]
    tables = {item.name: pa.ipc.open_stream(item.data.data).read_pandas() for item in found.datasets}
    return [tables[f"table{number}"] for number in range(len(tables))]


def test_curves_are_means_over_images_with_their_intervals(visit: Callable[..., AppTest]) -> None:
    _, curves, plain = chart(visit())
    assert set(curves["name"]) == {"head", "body", "background", "drawn: corner"}, (
        "what adds up, and what the recipe names"
    )
    head = curves[curves["name"] == "head"].reset_index()
    expected = np.stack([interval(shares(epoch, 3, 24, 6)[0, :, 0]) for epoch in range(4)], 1)  # (3, E)
    np.testing.assert_allclose(head[["mean", "low", "high"]].to_numpy().T, expected, rtol=1e-5)
    assert set(head["images"]) == {23}, "one image has no box"
    assert plain[plain["name"] == "head"]["mean"].to_numpy() == pytest.approx([AREAS[0]] * 4)


def test_the_numbers_of_the_epoch_stand_beside_the_controls(visit: Callable[..., AppTest]) -> None:
    said = texts(visit(epoch="3"))
    mean, low, high = (f"{value * 100:.1f}%" for value in interval(shares(3, 3, 24, 6)[0, :, 0]))
    assert f"{mean} ({low} to {high}) of CAM's evidence lies on the head, which covers 10.0% of the image" in said
    assert f"| head | {mean} ({low[:-1]} to {high[:-1]}) | 10.0% | 10.0% | 12.0% |" in said


def test_of_one_class_only_its_images_count(visit: Callable[..., AppTest]) -> None:
    page = visit(among="this class")
    _, curves, _ = chart(page)
    own = shares(3, 3, 24, 6)[0, 0::4, 0]
    head = curves[(curves["name"] == "head") & (curves["epoch"] == 3)]
    assert head["mean"].item() == pytest.approx(np.nanmean(own), rel=1e-5) and head["images"].item() == 5


def test_widgets_change_what_is_shown(visit: Callable[..., AppTest]) -> None:
    page = visit()
    page.multiselect(key="regions").set_value(["part: beak"]).run()
    assert set(chart(page)[1]["name"]) == {"part: beak"}
    assert "of CAM's" in texts(page) and "what speaks against the class is left out" in texts(page)
    page.selectbox(key="evidence").set_value("grad-cam").run()
    assert "of Grad-CAM's" in texts(page) and "what speaks against the class is left out" not in texts(page)
    page.button_group(key="against").set_value("centre").run()
    assert chart(page)[2]["mean"].to_numpy() == pytest.approx([1.2 * AREAS[4]] * 4)
    page.button_group(key="whose").set_value("predicted").run()
    assert "Maps for the predicted class" in texts(page) and not page.exception


def test_a_region_in_the_address_is_followed_in_the_stored_maps(visit: Callable[..., AppTest], made: Path) -> None:
    page = visit(region="0/0/0.5/0.5")
    _, curves, plain = chart(page)
    own = curves[curves["name"] == stored.DRAWN]
    maps = run_of(made).artifact("saliency-cam").read("maps", 2, 0)  # (24, h, w)
    mask = np.zeros((12, 12))
    mask[:6, :6] = 1
    expected = np.mean([slowly(map_.astype(float), mask) for map_ in maps])
    assert own[own["epoch"] == 2]["mean"].item() == pytest.approx(expected, rel=1e-5)
    assert plain[plain["name"] == stored.DRAWN]["mean"].to_numpy() == pytest.approx([0.25] * 4)
    assert page.query_params["region"] == "0/0/0.5/0.5"


@pytest.mark.parametrize("word", ["", "0/0/0", "nan/0/1/1", "a/b/c/d", "0/0/0/0", "1e400/0/1/1"])
def test_a_region_that_is_none_is_passed_over(visit: Callable[..., AppTest], word: str) -> None:
    page = visit(region=word) if word else visit()
    assert stored.DRAWN not in set(chart(page)[1]["name"]) and not page.error


def test_a_region_begins_as_given_and_can_be_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    first = (0.0, 0.0, 0.5, 0.5)
    for said, expected in ((None, first), ([], None), ([0, 0, 1, 1], (0, 0, 1, 1))):
        monkeypatch.setattr(region_widget, "mount", lambda said=said, **_: {"region": said})
        assert region_widget.region(b"", alt="", label="", key="any", first=first) == expected


def test_change_says_when_it_settles_and_which_images_changed_most(visit: Callable[..., AppTest], made: Path) -> None:
    page = visit(epoch="3")
    _, lines, settled, _ = chart(page, "attention.change")
    before = lines[lines["name"] == "the epoch before"]
    assert before["epoch"].tolist() == [1, 2, 3] and before["mean"].to_numpy()[-1] == pytest.approx(0.95, abs=1e-3)
    assert settled["epoch"].tolist() == [2] and "Attention settles at epoch 2" in texts(page)
    (data,) = [item.proto.bytes for item in page.get("bidi_component") if item.key == "attention.changed"]
    items = json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])["items"]
    assert [item["image"] for item in items] == [20, 16, 12, 8, 4, 0] and items[0]["caption"] == "0.70"


def test_while_a_run_goes_on_nothing_is_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_attended(tmp_path, finished=2, done=(0, 1))
    page = opened(tmp_path, monkeypatch, epoch="2")
    assert "no numbers for epoch 2 yet; they follow its maps" in texts(page)
    assert "known once the last epoch is compared with all others" in texts(
        page
    ) and "choose a later epoch" not in texts(page)
    assert chart(page)[1]["epoch"].max() == 1


def test_of_one_epoch_there_is_no_change_to_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_attended(tmp_path, finished=0, done=(0,))
    page = opened(tmp_path, monkeypatch)
    assert "only one epoch has maps" in texts(page)
    assert not [item for item in page.get("vega_lite_chart") if "rank correlation of the maps" in item.proto.spec]
    assert "Maps are compared with those of epoch 1, which is not finished yet." in texts(page)


def test_what_the_maps_are_compared_with_is_never_promised_in_vain() -> None:
    def said(promised: tuple[int, ...], epochs: tuple[int, ...], first: int | None) -> str:
        now = SimpleNamespace(epoch=0, epochs=epochs)
        of = SimpleNamespace(artifact=SimpleNamespace(promised=promised), selection=now)
        return settling.none(of, first, "cat")  # type: ignore[arg-type]

    assert (
        said((0, 3), (0,), 3)
        == said((0,), (0,), None)
        == "Maps of two trained epochs are compared; this run keeps fewer."
    )
    assert said((0, 1, 2), (0,), 1).endswith("of epoch 1, which is not finished yet.")
    assert said((0, 1, 2), (0, 1), 1).endswith("there is no later epoch yet.")
    assert said((0, 1, 2), (0, 1, 2), 1).endswith("choose a later epoch.")


def test_without_boxes_one_is_told_to_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_attended(tmp_path, regions=())
    page = opened(tmp_path, monkeypatch)
    assert "neither boxes nor parts" in texts(page) and len(chart(page, "attention.change")) == 4
    assert stored.DRAWN in set(chart(opened(tmp_path, monkeypatch, region="0/0/0.5/0.5"))[1]["name"])


def test_a_run_without_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(tmp_path)
    page = opened(tmp_path, monkeypatch)
    assert "nothing is trained twice" in texts(page) and "[artifacts.attention]" in page.code[0].value


def test_the_fourth_case_is_the_image_that_changed_most(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(made, monkeypatch, "app/views/saliency.py")
    assert "whose attention changed most from epoch 1 to 3, by CAM" in texts(page)
    (data,) = [item.proto.bytes for item in page.get("bidi_component") if item.key == "strip.case.changed"]
    assert b'"Image 20"' in data
    page.button(key="next.changed").click().run()
    (data,) = [item.proto.bytes for item in page.get("bidi_component") if item.key == "strip.case.changed"]
    assert b'"Image 16"' in data


def test_the_fourth_case_says_why_it_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_world(tmp_path)
    assert "does not say how maps changed" in texts(opened(tmp_path, monkeypatch, "app/views/saliency.py"))


def test_of_very_many_images_some_are_left_out(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "MOST_VALUES", 4 * 6 * 36)
    few = stored.few(np.arange(24), run_of(made).artifact("saliency-grad-cam"), epochs=4)
    assert len(few) == 6 and few[0] == 0 and few[-1] == 23
    page = opened(made, monkeypatch, region="0/0/0.5/0.5")
    assert "the drawn region: 6 images, evenly chosen" in texts(page)


@pytest.fixture
def read(reads: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """What is read from now on, of an empty memory."""
    reading.OF_ALL_IMAGES.kept.clear()
    return reads


def test_a_region_drawn_again_reads_no_map_again(made: Path, read: list[tuple[str, int]]) -> None:
    of = run_of(made).artifact("saliency-grad-cam"), 12, (0, 1), 0
    stored.drawn_curve(*of, (0, 0, 0.5, 0.5), np.arange(5))
    stored.drawn_curve(*of, (0.5, 0.5, 1, 1), np.arange(5))
    assert read == [("maps", 0), ("maps", 1)]


def test_the_last_epochs_row_is_read_once(made: Path, read: list[tuple[str, int]]) -> None:
    change.change(run_of(made).artifact("attention-cam"), (0, 1, 2, 3), np.arange(24))
    steps, row = [("likeness", 1), ("likeness", 2), ("likeness", 3)], ("likeness", 3)
    assert sorted(read) == [*steps, row]


def test_when_no_image_has_settled_it_says_so() -> None:
    of = SimpleNamespace(artifact=SimpleNamespace(promised=(0, 1, 2)))
    found = change.Change((0, 1, 2), np.zeros((3, 3)), np.zeros((3, 3)), np.array([2.0, 2.0, np.nan]), 2)
    said = settling.settles(of, found)  # type: ignore[arg-type]
    assert said.endswith("(mean over images); none of 2 images has settled before the last.")
    said = settling.settles(of, replace(found, settled=np.array([1.0, 2.0, 1.0]), all_settled=1))  # type: ignore[arg-type]
    assert said.endswith("half of 3 images have settled by epoch 1, and 2 before the last.")


def test_the_technique_leads_to_what_it_is_and_to_its_card(visit: Callable[..., AppTest]) -> None:
    said = texts(visit())
    assert "[CAM](methods?about=cam" in said and "(reliability?run=world-0123456789" in said


def test_an_interval_below_zero_has_a_minus_sign() -> None:
    assert sharing.percent(-0.012).startswith("−1.2") and sharing.percent(-0.0001).startswith("0.0")


def test_stored_curves_and_changes_are_read_by_others(made: Path) -> None:
    """What the Reliability page takes from here."""
    run = run_of(made)
    artifact, data = run.artifact("attention-cam"), dataset(run.objects, run.attributes["dataset"])
    assert stored.regions(artifact) == ("head", "body", "background", "box", "part: beak", "drawn: corner")
    curve = stored.curve(artifact, "head", (0, 3), 0, np.arange(24))
    assert curve.values.shape == (3, 2) and curve.controls.shape == (3, 3, 2)
    assert curve.above[0, 1] == pytest.approx(curve.values[0, 1] - AREAS[0], abs=1e-6)
    assert change.changed(artifact, data, 3, 1).tolist() == [21, 17, 13, 9, 5, 1]
    assert len(GROUPS) == 4 and change.changed(artifact, data, 1, 1).tolist() == []
