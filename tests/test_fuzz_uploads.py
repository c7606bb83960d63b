"""Uploads: a slice of `python -m tests.fuzz uploads`, and what it found."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.saliency import custom
from precompute import datasets, decoding, opening
from precompute.checkpoints import read_checkpoint
from store.errors import BadInput
from tests.fuzz import bombs, independent, pictures, running, uploads

CASES = 40


def test_hostile_uploads_are_pictures_or_sentences(tmp_path: Path) -> None:
    check = uploads.uploads(tmp_path, slow=0)
    problems = {case: running.tried(check, 0, case) for case in range(CASES)}
    assert not {case: problem for case, problem in problems.items() if problem}


def test_the_fuzzer_notices_a_wrong_picture_and_a_raw_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = uploads.uploads(tmp_path, slow=0)
    monkeypatch.setattr(opening, "square", lambda image, side, share: decoding.square(image, side, share)[::-1])
    assert any("differs" in running.tried(check, 0, case) for case in range(CASES))
    monkeypatch.setattr(opening, "decode", lambda data, name: 1 / 0)
    assert "ZeroDivisionError" in running.tried(check, 0, 1)


OUTSIDE = """
import os, pathlib, shutil, sys
from tests.fuzz.watching import Watch
inside, outside = map(pathlib.Path, sys.argv[1:])
watch = Watch(inside)
shutil.rmtree(inside / "a")  # which names what it removes from open folders
(inside / "b").write_text("")
print(repr(watch.news()))
shutil.rmtree(outside / "a")
os.rename(inside / "b", outside / "b")
print(watch.news())
"""


def test_what_is_written_outside_is_noticed_and_nothing_else(tmp_path: Path) -> None:
    for place in ("inside/a", "outside/a"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "x").write_text("")
    command = [sys.executable, "-c", OUTSIDE, str(tmp_path / "inside"), str(tmp_path / "outside")]
    said = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True).stdout
    inside, outside = said.splitlines()
    assert inside == "''" and outside == ", ".join(f"writes {tmp_path}/outside/{name}" for name in ("a/x", "a", "b"))


def test_a_picture_that_keeps_the_decoder_busy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder runs in a process of its own: it cannot keep the web process from anything else."""
    monkeypatch.setattr(opening, "LIMIT_SECONDS", 0.01)
    with pytest.raises(BadInput, match=r"busy\.png takes longer than 0\.01 s"):
        opening.apart(bombs.saved("PNG"), "busy.png", 8, 3)


@pytest.mark.parametrize("command", [("false",), ("true",)])
def test_a_decoder_that_dies_is_a_sentence(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.setattr(opening, "COMMAND", command)
    with pytest.raises(BadInput, match="ends the program"):
        opening.apart(b"a picture", "mine.png", 8, 3)


def test_what_is_wrong_with_an_upload_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def apart(data: bytes, name: str, size: int, channels: int) -> None:
        asked.append(name)
        raise BadInput("It is damaged.")

    monkeypatch.setattr(opening, "apart", apart)
    for _ in range(2):
        with pytest.raises(BadInput, match="damaged"):
            custom.prepared(b"no picture at all", "once.png", 8, 3)
    assert asked == ["once.png"]


def test_an_upload_larger_than_the_page_allows_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom, "MOST_MEGABYTES", 0)
    with pytest.raises(BadInput, match="at most 0 MB"):
        custom.prepared(b"1", "large.png", 8, 3)


def test_frames_are_not_counted() -> None:
    """A small GIF may hold a million; and a damaged second page is no reason to refuse the first."""
    file = io.BytesIO()
    Image.new("L", (4, 4), 7).save(file, "TIFF", save_all=True, append_images=[Image.new("L", (4, 4))])
    data = bytearray(file.getvalue())
    with Image.open(file) as image:
        image.seek(1)
        second = image.tag_v2.next or len(data)
    for page in (bytes(data), bytes(data[: second - 40])):
        picture, notes = decoding.decode(page)
        assert notes == ["Only the first of its frames is used."] or page != bytes(data)
        np.testing.assert_array_equal(np.asarray(picture), 7)


def test_a_tiff_that_lies_on_its_side_is_the_same_as_a_file(tmp_path: Path) -> None:
    """Pillow maps uncompressed files into memory, this one with height and width exchanged."""
    image = pictures.picture(np.random.default_rng(3), "L").resize((16, 60))
    exif = Image.Exif()
    exif[pictures.ORIENTATION] = 8
    image.save(tmp_path / "one.tif", exif=exif)
    found, _ = decoding.decode(tmp_path / "one.tif")
    np.testing.assert_array_equal(np.asarray(found)[..., 0], np.rot90(np.asarray(image)))
    assert decoding.sizes_of([tmp_path / "one.tif"]) == [(60, 16)]


def test_transparency_is_laid_over_white_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole picture four times at four bytes a pixel was 750 MB of the largest."""
    monkeypatch.setattr(decoding, "BAND", 40)
    layer = pictures.picture(np.random.default_rng(5), "RGBA").resize((31, 17))
    file = io.BytesIO()
    layer.save(file, "PNG")
    found, notes = decoding.decode(file.getvalue())
    expected = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    np.testing.assert_allclose(np.asarray(found).astype(int), independent.colours(layer), atol=1)
    assert notes == ["Its transparent parts are laid over white."]


def test_a_picture_too_large_for_the_memory_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(image: Image.Image, notes: list[str]) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(decoding, "_rgb", exhausted)
    with pytest.raises(BadInput, match="more memory"):
        decoding.decode(bombs.saved("PNG"), "mine")


def test_damaged_arrays_and_checkpoints_are_sentences(tmp_path: Path) -> None:
    file = tmp_path / "arrays.npz"
    np.savez_compressed(file, train_x=np.zeros((9, 8, 8), np.uint8))
    data = bytearray(file.read_bytes())
    data[60:90] = b"\xff" * 30  # inside what is compressed: zlib.error, which is no OSError
    file.write_bytes(data)
    with pytest.raises(BadInput, match="of plain arrays"):
        datasets.npz(path=str(file))
    np.savez(file, train_x=np.zeros((9, 8, 8), np.uint8))
    data = bytearray(file.read_bytes())
    data[26:28] = b"\xff\x01"  # its name is as long as all that follows; zipfile quotes it
    file.write_bytes(data)
    with pytest.raises(BadInput, match="of plain arrays") as caught:
        datasets.npz(path=str(file))
    assert len(str(caught.value)) < 500
    file.write_bytes(b"PK\x03\x04" + bytes(50))
    with pytest.raises(BadInput, match=r"read safely: [^.]*\. Save the weights alone"):
        read_checkpoint(file)
