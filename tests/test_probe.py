"""The probe: what it answers is what the run's own weights give, and whatever happens to it, the next request works."""

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from app import probe
from app.probe import Answer, Probe, Request
from precompute import frames
from precompute import probe as child
from precompute.bench import classifier, to_float
from precompute.catalogue import CHANGES
from precompute.edits import edits
from precompute.making import make
from precompute.remote import Remote
from precompute.saliency import explain
from store.errors import BadInput, LoupeError
from store.objects import connect
from store.runs import Run
from tests import tiny

STUB = """
import os, sys, time
import numpy as np
from precompute import frames
answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
frames.write(answers, {"ready": True}, {})
while (message := frames.read(sys.stdin.buffer)) is not None:
    request, arrays = message
    if request["layer"] == "dies":
        os._exit(7)
    if request["layer"] == "hangs":
        time.sleep(60)
    if request["layer"] == "slow":
        time.sleep(0.05)
    if request["layer"] == "refuses":
        frames.write(answers, {"id": request["id"], "error": "No such layer."}, {})
        continue
    number = request["id"] - (request["layer"] == "mixes")
    print("noise on stdout")
    value = np.float32([request["epoch"], arrays["image"].sum()])
    frames.write(answers, {"id": number, "classes": request["classes"]}, {"logits": value, "map/grad-cam": value[None, None]})
"""


def ask_for(
    epoch: int = 0, *, layer: str = "", run: Run | None = None, seed: int = 0, classes: tuple[int, ...] = (0,)
) -> Request:
    image = np.random.default_rng(seed).integers(0, 256, (16, 16, 1), np.uint8)
    facts = (str(run.objects.local), run.id, run.uuid) if run else ("", "", "")
    techniques = (("grad-cam", "{}"), ("grad-cam++", "{}"))
    return Request(*facts, epoch, image.tobytes(), image.shape, classes, techniques, layer)


@pytest.fixture
def stub() -> Iterator[Probe]:
    made = Probe((sys.executable, "-c", STUB), limit=5)
    yield made
    if made.child:
        made.child.kill()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("probe")
    return make(connect(str(folder)), tiny.recipe(folder))


def test_messages_come_back_as_they_were_sent() -> None:
    pipe = io.BytesIO()
    arrays = {
        "image": np.arange(6, dtype=np.uint8).reshape(1, 2, 3),
        "empty": np.zeros((0, 4), np.float32),
        "one": np.float32(2.5),
    }
    frames.write(pipe, {"id": 3, "words": "ä → ß"}, arrays)
    frames.write(pipe, {"id": 4}, {})
    pipe.seek(0)
    header, found = frames.read(pipe)
    assert header == {"id": 3, "words": "ä → ß"}
    for name, value in arrays.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype
    assert frames.read(pipe) == ({"id": 4}, {})
    assert frames.read(pipe) is None


@pytest.mark.parametrize("cut", [3, 20, -1])
def test_a_pipe_that_ends_inside_a_message_is_an_error(cut: int) -> None:
    pipe = io.BytesIO()
    frames.write(pipe, {"id": 3}, {"image": np.zeros(9)})
    with pytest.raises(LoupeError, match="ended inside"):
        frames.read(io.BytesIO(pipe.getvalue()[:cut]))


def test_noise_on_the_pipe_is_not_taken_for_a_message() -> None:
    with pytest.raises(LoupeError, match="at most"):
        frames.read(io.BytesIO(b"Downloading weights: 100 % of 30 MB"))


def test_the_answer_is_what_the_stored_weights_give(run: Run) -> None:
    request = ask_for(2, run=run, layer=run.attributes["default_layer"], classes=(child.PREDICTED, 1))
    header, arrays = child.answer(request.header, request.image, child.Shelf())
    images, model = to_float(request.image[None].copy(), torch.device("cpu")), classifier(run, 2)
    logits = model(images)[0].detach().numpy()
    np.testing.assert_array_equal(arrays["logits"], logits)
    assert header["classes"] == [int(logits.argmax()), 1]
    expected = explain(
        model, images, torch.tensor([header["classes"]]), layer=request.layer, techniques={"grad-cam": {}}
    )
    np.testing.assert_array_equal(arrays["map/grad-cam"], expected.maps["grad-cam"][0].numpy())


def test_a_stored_image_s_map_is_what_the_store_holds(run: Run) -> None:
    saliency = run.of_kind("saliency")[0]
    data = connect(str(run.objects.local))
    from store.runs import dataset

    held = dataset(data, run.attributes["dataset"])
    image, label = held.read_blocks("pixels", [4])[0], int(held.read_blocks("label", [4])[0])
    request = Request(
        str(run.objects.local), run.id, run.uuid, 1, image.tobytes(), image.shape, (label,), (("grad-cam", "{}"),),
        saliency.attributes["layer"],
    )  # fmt: skip
    _, arrays = child.answer(request.header, request.image, child.Shelf())
    stored = saliency.read("maps", 1, 0, 4).astype(np.float32) * saliency.read("scale", 1, 0, 4)
    np.testing.assert_allclose(arrays["map/grad-cam"][0], stored, atol=2e-3 * np.abs(stored).max() + 1e-7)


def test_wrong_questions_are_answered_with_a_sentence(run: Run) -> None:
    for request, words in (
        (ask_for(1, run=run, layer="nowhere"), "nowhere"),
        (ask_for(9, run=run, layer="features"), "9"),
        (ask_for(1, run=run, layer=run.attributes["default_layer"], classes=(7,)), "0 to 2"),
    ):
        with pytest.raises(LoupeError, match=words):
            child.answer(request.header, request.image, child.Shelf())
    with pytest.raises(LoupeError, match="deleted and made again"):
        child.answer({**ask_for(1, run=run).header, "uuid": "other"}, ask_for().image, child.Shelf())


def test_a_store_cannot_make_the_probe_run_code_that_nobody_allowed(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "wicked.py").write_text("raise SystemExit('this must not run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("LOUPE_ALLOW", raising=False)
    request = ask_for(1, run=run, layer=run.attributes["default_layer"])

    def answer_of(network: str) -> np.ndarray:
        recipe = {**run.recipe, "model": {**run.recipe["model"], "network": network}}
        theirs = replace(run, attributes={**run.attributes, "recipe": recipe})
        monkeypatch.setattr(child.runs, "open_run", lambda objects, name: theirs)
        return child.answer(request.header, request.image, child.Shelf())[1]["logits"]

    with pytest.raises(BadInput, match="start Loupe with LOUPE_ALLOW=wicked"):
        answer_of("wicked:net")
    assert "wicked" not in sys.modules
    with pytest.raises(BadInput, match="LOUPE_ALLOW"):
        answer_of("precompute.networks:gap_net")
    expected = answer_of(run.recipe["model"]["network"])
    monkeypatch.setenv("LOUPE_ALLOW", "mine, precompute")
    np.testing.assert_array_equal(answer_of("precompute.networks:gap_net"), expected)


@pytest.mark.parametrize(
    ("network", "allowed", "fine"),
    [
        ("gap", "", True),
        ("torchvision/resnet18", "", True),
        ("os:system", "", False),
        ("os:system", ",", False),
        ("nets:small", "nets", True),
        ("nets.small:net", "other, nets", True),
        ("nets2:net", "nets", False),
        ("nets:net", "nets.small", False),
        (":net", "", False),
    ],
)
def test_a_module_allows_itself_and_what_is_in_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, network: str, allowed: str, fine: bool
) -> None:
    monkeypatch.setenv("LOUPE_ALLOW", allowed)
    named = replace(run, attributes={"recipe": {"model": {"network": network}}})
    with nullcontext() if fine else pytest.raises(BadInput):
        child.permit(named)


def test_the_shelf_keeps_what_was_used_last_within_its_bytes() -> None:
    shelf, loaded = child.Shelf(limit=100), []

    def load(key: str) -> str:
        return shelf.get((key,), lambda: loaded.append(key) or key, lambda _: 40)

    for key in "abacab":
        load(key)
    assert loaded == ["a", "b", "c", "b"]
    assert sum(shelf.sizes.values()) <= 100
    assert shelf.get(("large",), lambda: "large", lambda _: 1000) == "large"
    assert list(shelf.kept) == [("large",)]


def test_the_real_child_answers_and_survives_being_killed(run: Run) -> None:
    made = Probe()
    first, second = (ask_for(epoch, run=run, layer=run.attributes["default_layer"]) for epoch in (0, 1))
    expected = child.answer(first.header, first.image, child.Shelf())[1]
    try:
        answer = made.ask(first)
        np.testing.assert_allclose(answer.logits, expected["logits"], atol=1e-5)
        np.testing.assert_allclose(answer.maps["grad-cam++"], expected["map/grad-cam++"], atol=1e-5)
        os.kill(made.child.process.pid, signal.SIGSTOP)
        asked = threading.Thread(target=lambda: errors.append(error_of(made, second)))
        errors: list[str] = []
        asked.start()
        time.sleep(0.3)
        os.kill(made.child.process.pid, signal.SIGKILL)
        asked.join(20)
        assert "killed by signal 9" in errors[0]
        assert made.ask(second).logits.shape == (tiny.CLASSES,)
    finally:
        made.child.kill()


def error_of(made: Probe, request: Request) -> str:
    with pytest.raises(LoupeError) as caught:
        made.ask(request)
    return str(caught.value)


LITTLE_MEMORY = """
import resource, torch
from precompute import bench, editing, probe
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 1200 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
probe.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_the_real_child_runs_out_of_memory_and_the_next_edit_works(run: Run) -> None:
    made, layer = Probe((sys.executable, "-c", LITTLE_MEMORY)), run.attributes["default_layer"]
    small = replace(ask_for(1, run=run, layer=layer), edits=edits({"blur": 3}))
    large = replace(small, pixels=bytes(8000 * 8000), shape=(8000, 8000, 1))
    try:
        assert "There is not enough memory" in error_of(made, large)
        assert made.ask(small).more["edited/logits"].shape == (tiny.CLASSES,)
    finally:
        made.child.kill()


def test_the_real_child_hangs_and_the_next_edit_works(run: Run) -> None:
    made, layer = Probe(limit=0.7), run.attributes["default_layer"]
    first, second = (replace(ask_for(1, run=run, layer=layer), edits=edits({"blur": value})) for value in (1, 2))
    try:
        made.warm()
        while not made.child:
            time.sleep(0.05)
        os.kill(made.child.process.pid, signal.SIGSTOP)
        assert "no answer within 0.7 s" in error_of(made, first)
        made.limit = 30
        assert made.ask(second).more["edited/logits"].shape == (tiny.CLASSES,)
    finally:
        made.child.kill()


@pytest.fixture(scope="module")
def real() -> Iterator[Probe]:
    made = Probe()
    yield made
    made.child.kill()


def test_two_visitors_editing_at_once_do_not_mix(run: Run, real: Probe) -> None:
    wrong: list[str] = []

    def visit(seed: int) -> None:
        asked = ask_for(1, run=run, layer=run.attributes["default_layer"], seed=seed)
        for value in range(1, 6):
            asked = replace(asked, edits=edits({"brightness": value / 5, "rotation": 20.0 * value}, seed=seed))
            found = real.ask(asked, visitor=f"visitor {seed}")
            expected = child.answer(asked.header, asked.image, child.Shelf())[1]
            for name in ("edited/pixels", "edited/logits", "edited/map/grad-cam"):
                if not np.allclose(found.more[name], expected[name], atol=1e-5):
                    wrong.append(name)

    threads = [threading.Thread(target=visit, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not any(thread.is_alive() for thread in threads)


def curves_of(run: Run, seed: int) -> list[Request]:
    """A curve along each change of a picture."""
    asked = replace(ask_for(1, run=run, seed=seed), edits=edits({}), techniques=(), classes=())
    return [replace(asked, along=(name,)) for name in CHANGES]


def test_a_curve_is_computed_in_slices_and_is_the_same(run: Run, real: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SLICE_SECONDS", 1e-6)
    asked = curves_of(run, 11)[0]
    before = real.child.asked if real.child else 0
    found = real.ask(asked)
    assert real.child.asked - before > 3
    expected = child.answer(asked.header, asked.image, child.Shelf())[1]
    np.testing.assert_allclose(found.more["along/rotation/logits"], expected["along/rotation/logits"], atol=1e-5)
    np.testing.assert_allclose(found.more["along/rotation/flips"], expected["along/rotation/flips"], atol=1e-3)


def test_an_edit_goes_before_curves(run: Run, real: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SLICE_SECONDS", 1e-6)
    mine, theirs = curves_of(run, 12), curves_of(run, 13)
    edit = replace(ask_for(1, run=run, layer=run.attributes["default_layer"], seed=14), edits=edits({"hue": 30}))
    real.progress("they", theirs)
    real.progress("I", mine)
    while not real.known(theirs):
        time.sleep(0.005)
    seen, ask = [], real.child.ask  # what is asked, and which of my other curves are there then

    def noted(header: dict, *of: object) -> object:
        seen.append((header["edits"], [one for one in mine[1:] if one in real.answers]))
        return ask(header, *of)

    monkeypatch.setattr(real.child, "ask", noted)
    real.ask(edit, visitor="I")
    place = [edits for edits, _ in seen].index(edit.header["edits"])
    assert place <= 1, "at most the slice that came next before it was there"
    assert not seen[place][1]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("dies", "exit status 7"),
        ("hangs", "no answer within"),
        ("refuses", "No such layer"),
        ("mixes", "another question"),
    ],
)
def test_after_any_failure_the_next_request_works(stub: Probe, layer: str, words: str) -> None:
    stub.limit = 0.5
    assert words in error_of(stub, ask_for(3, layer=layer))
    assert stub.ask(ask_for(4)).logits[0] == 4


def test_a_child_killed_while_idle_is_not_noticed(stub: Probe) -> None:
    stub.ask(ask_for(1))
    stub.child.process.kill()
    stub.child.process.wait()
    assert stub.ask(ask_for(2)).logits[0] == 2


def test_twenty_visitors_at_once_each_get_their_own_answer(stub: Probe) -> None:
    wrong: list[int] = []

    def visit(seed: int) -> None:
        for epoch in range(5):
            request = ask_for(epoch, seed=seed)
            if stub.ask(request).logits.tolist() != [epoch, request.image.sum()]:
                wrong.append(seed)

    threads = [threading.Thread(target=visit, args=(seed,)) for seed in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong and not any(thread.is_alive() for thread in threads)


def test_visitors_take_turns(stub: Probe) -> None:
    stub.ask(ask_for())  # started
    many = [ask_for(epoch, layer="slow", seed=1) for epoch in range(30)]
    one = [ask_for(0, layer="slow", seed=2)]
    stub.progress("many", many)
    stub.progress("one", one)
    while one[0] not in stub.progress("one", one):
        time.sleep(0.01)
    assert len(stub.progress("many", many)) < 6


def test_progress_comes_in_order_and_ends(stub: Probe) -> None:
    requests = [ask_for(epoch, layer="slow") for epoch in range(6)]
    seen = [0]
    while seen[-1] < 6:
        known = stub.progress("a visitor", requests)
        assert set(known) == set(requests[: len(known)])
        seen.append(len(known))
        time.sleep(0.02)
    assert len(set(seen)) > 3 and seen == sorted(seen)
    assert not stub.jobs


def test_a_visitor_who_went_away_is_not_computed_for(stub: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.ask(ask_for())
    monkeypatch.setattr(probe, "FORGOTTEN_SECONDS", 0.1)
    requests = [ask_for(epoch, layer="slow", seed=3) for epoch in range(20)]
    stub.progress("gone", requests)
    time.sleep(0.6)
    assert not stub.jobs
    assert sum(request in stub.answers for request in requests) < 10


def test_other_requests_of_a_visitor_replace_those_that_wait(stub: Probe) -> None:
    stub.ask(ask_for())
    stub.progress("a visitor", [ask_for(epoch, layer="slow", seed=4) for epoch in range(30)])
    wanted = [ask_for(5, layer="slow", seed=5)]
    started = time.monotonic()
    while wanted[0] not in stub.progress("a visitor", wanted):
        time.sleep(0.01)
    assert time.monotonic() - started < 1


def test_answers_are_kept_within_bounds(stub: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "KEPT_BYTES", 3 * (256 + 16))
    for epoch in range(6):
        stub.ask(ask_for(epoch))
    assert [request.epoch for request in stub.answers] == [3, 4, 5]


def in_time(made: Probe, visitor: str, requests: list[Request]) -> dict[Request, Answer | LoupeError]:
    """The answers, when they all are there."""
    deadline = time.monotonic() + 20
    while len(known := made.progress(visitor, requests)) < len(requests):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return known


def of_picture(side: int, seed: int = 0, layer: str = "") -> list[Request]:
    """One picture at 31 epochs, as the page asks for it."""
    image = np.full((side, side, 3), seed % 256, np.uint8)
    image[0, 0] = seed // 256
    return list(replaced(ask_for(layer=layer), range(31), image.tobytes(), image.shape))


def replaced(request: Request, epochs: range, pixels: bytes, shape: tuple[int, ...]) -> Iterator[Request]:
    for epoch in epochs:
        yield replace(request, epoch=epoch, pixels=pixels, shape=shape)


def test_a_large_picture_is_held_once_for_all_its_epochs(stub: Probe) -> None:
    requests = of_picture(1024)
    in_time(stub, "a visitor", requests)
    assert stub.bytes == 1024**2 * 3 + 31 * 16 < probe.KEPT_BYTES


def test_what_a_visitor_waits_for_stays_until_he_has_seen_it(stub: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "KEPT_BYTES", 1000)
    both = {"one": of_picture(20, 1), "other": of_picture(20, 2)}  # 1200 bytes each
    for visitor, requests in both.items():
        stub.progress(visitor, requests)
    for visitor, requests in both.items():
        in_time(stub, visitor, requests)
    stub.looking.clear()  # ten seconds later
    stub.ask(ask_for())
    assert len(stub.answers) == 1 and stub.bytes == 256 + 16


def test_failing_pictures_leave_again(stub: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "KEPT_BYTES", 50_000)
    for seed in range(300):
        in_time(stub, "a visitor", of_picture(40, seed, layer="refuses")[:2])
    held = {id(request.pixels): len(request.pixels) for request in stub.answers}
    assert sum(held.values()) <= stub.bytes <= 50_000
    assert len(stub.looking) == 1 and not stub.jobs
    monkeypatch.setattr(probe, "KEPT_ANSWERS", 3)
    stub.ask(ask_for())
    assert len(stub.answers) <= 4  # with those of who looked last
    assert all(answer.__traceback__ is None for answer in stub.answers.values() if isinstance(answer, LoupeError))


def test_a_failure_is_shown_until_it_is_to_be_tried_again(stub: Probe) -> None:
    request = ask_for(1, layer="refuses")
    while request not in stub.progress("a visitor", [request]):
        time.sleep(0.01)
    assert isinstance(stub.progress("a visitor", [request])[request], LoupeError)
    stub.forget([request])
    assert request not in stub.answers


def test_without_torch_it_says_what_this_host_can_do(
    stub: Probe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(probe, "find_spec", lambda name: None)
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    assert "no worker is running" in error_of(stub, ask_for())
    assert isinstance(stub.child, Remote)  # no process was started


def test_an_answer_counts_its_bytes() -> None:
    assert Answer(np.zeros(10, np.float32), (1,), {"cam": np.zeros((1, 7, 7), np.float32)}).nbytes == 40 + 196


def test_the_child_ends_with_its_web_process(stub: Probe) -> None:
    stub.ask(ask_for())
    process = stub.child.process
    process.stdin.close()
    assert process.wait(10) == 0


def test_classes_out_of_range_are_a_bad_input(run: Run) -> None:
    with pytest.raises(BadInput):
        request = ask_for(1, run=run, layer=run.attributes["default_layer"], classes=(-2,))
        child.answer(request.header, request.image, child.Shelf())


def test_the_web_process_s_side_needs_no_torch() -> None:
    code = "import sys; import app.probe, precompute.frames; sys.exit('torch' in sys.modules)"
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode == 0
