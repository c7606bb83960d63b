"""Photographs on a disk: folders of class folders, and CUB-200-2011 with its boxes and parts. No torch here.

What one picture becomes is decided in decoding.py.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from precompute.datasets import DataSet, Images, moments, split
from precompute.decoding import THREADS, boxes_in_square, decode, kept_share, parts_in_square, sizes_of, square
from store.errors import BadInput, Missing

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
KEPT_OF_MEMORY = 8  # one split stays in memory, once decoded, if it takes no more than this part of it: an eighth
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # cgroups 2 and 1
# Mean and standard deviation of ImageNet's training crops, as torchvision has them.
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# fmt: off
PARTS = ("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing", "nape",
         "right eye", "right leg", "right wing", "tail", "throat")
# fmt: on

HASHED_WHOLE = 2_000_000_000  # bytes of pictures up to which all tell a split apart; beyond, both ends of each file do


def reader(
    files: Sequence[Path], side: int, share: float, *, upright: bool = True, keeps: bool = True
) -> Callable[[np.ndarray], np.ndarray]:
    """A function from image numbers (n,) to their squares (n, side, side, 3) uint8, decoded by a few threads.

    keeps: each is decoded once and stays in memory. Raises BadInput that names a damaged file.
    """
    kept = np.empty((len(files) if keeps else 0, side, side, 3), np.uint8)
    known = np.zeros(len(files), bool)

    def one(number: int) -> np.ndarray:
        return square(decode(files[number], upright=upright)[0], side, share)

    def read(numbers: np.ndarray) -> np.ndarray:
        wanted = np.asarray(numbers, np.int64)
        new = np.unique(wanted[~known[wanted]]) if keeps else wanted
        pixels = kept if keeps else np.empty((len(wanted), side, side, 3), np.uint8)
        with ThreadPoolExecutor(THREADS) as pool:
            for row, (number, picture) in enumerate(zip(new, pool.map(one, new), strict=True)):
                pixels[number if keeps else row] = picture
                known[number] = keeps
        return kept[wanted] if keeps else pixels

    return read


def memory() -> int:
    """Bytes of memory of this machine, or those its container may use."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in LIMITS:
        with suppress(OSError, ValueError):  # there is none, or it says "max"
            found.append(int(file.read_text()))
    return min(found)


def _images(
    files: Sequence[Path], labels: np.ndarray, frame: tuple[int, float], top: Path, *, upright: bool = True
) -> Images:
    """A split of the pictures in `files`, cut to squares of side and share `frame`; their names are relative to `top`."""
    names = tuple(file.relative_to(top).as_posix() for file in files)
    sizes = [file.stat().st_size for file in files]
    whole = sum(sizes) < HASHED_WHOLE
    digest = hashlib.blake2b(repr((names, sizes, frame)).encode(), digest_size=16)
    for file, size in zip(files, sizes, strict=True):
        digest.update(file.read_bytes() if whole else _ends(file, size))
    keeps = len(files) * frame[0] ** 2 * 3 <= memory() // KEPT_OF_MEMORY
    read = reader(files, *frame, upright=upright, keeps=keeps)
    return Images(labels.astype(np.int64), read, names, digest=digest.hexdigest(), at_hand=keeps)


def _ends(file: Path, size: int) -> bytes:
    """The first and last 16 kB: enough to tell two compressed pictures of one size apart."""
    with file.open("rb") as stream:
        head = stream.read(16_384)
        stream.seek(max(size - 16_384, 0))
        return head + stream.read()


def _existing(root: str, what: str) -> Path:
    top = Path(root).expanduser()
    if not top.is_dir():
        raise Missing(f"There is no folder '{top}'. root takes {what}.")
    return top


def _readable(files: Sequence[Path]) -> tuple[dict[Path, tuple[int, int]], list[str]]:
    """The files that hold a picture, with its width and height; and a note on those that do not."""
    sizes = dict(zip(files, sizes_of(files), strict=True))
    bad = [file for file, size in sizes.items() if size is None]
    what = f"{len(bad)} of {len(files)} files are empty, damaged, too large or no pictures and were left out"
    return {file: size for file, size in sizes.items() if size}, [f"{what}; the first is {bad[0]}."] if bad else []


def folder(*, root: str, size: int | None = None, test_fraction: float = 0.2, seed: int = 0) -> DataSet:
    """Your own photographs: one folder a class, directly in `root` or under train/ and test/ (or val/) in it.

    Without a test folder, `test_fraction` of each class is kept for testing. mean, std: ImageNet's from 128 pixels up, else
    computed from the training images.
    """
    top, size = _existing(root, "a folder that holds one folder of images per class"), size or 224
    tested = next((name for name in ("test", "val", "valid", "validation") if (top / name).is_dir()), None)
    roots = [top / "train", top / tested] if tested and (top / "train").is_dir() else [top]
    held = {path: (place, path.relative_to(here).parts[0]) for place, here in enumerate(roots) for path in _files(here)}
    found = {path: place for path, place in held.items() if path.suffix.lower() in SUFFIXES}
    readable, notes = _readable(list(found))
    others = _others([path for path in held if path not in found])
    files = list(readable)
    classes = tuple(sorted({found[file][1] for file in files}))
    if len(classes) < 2:
        loose = not classes and any(path.suffix.lower() in SUFFIXES for path in top.iterdir())
        raise BadInput(
            f"'{top}' must hold at least 2 folders, one a class, with images in them ({', '.join(SUFFIXES)}); "
            f"{len(classes)} were found{': ' + classes[0] if classes else ''}. "
            + ("Images lie in it directly: root takes the folder above the class folders." if loose else "Check root.")
            + "".join(f" {note}" for note in others)
        )
    labels = np.array([classes.index(found[file][1]) for file in files])
    places = np.array([found[file][0] for file in files])
    given = (np.flatnonzero(places == 0), np.flatnonzero(places == 1))
    parts = [
        _images([files[number] for number in numbers], labels[numbers], frame, top)
        for numbers, frame in zip(
            given if len(roots) == 2 else split(labels, test_fraction, seed), frames(size), strict=True
        )
    ]
    notes += others + _without_pictures(roots, classes)
    notes += _unseen(classes, parts[0], "training") + _unseen(classes, parts[1], "test")
    mean, std = IMAGENET if size >= 128 or not len(parts[0].labels) else moments(parts[0])
    return DataSet(top.resolve().name, classes, mean, std, size, parts[0], parts[1], notes=tuple(notes))


def frames(size: int) -> tuple[tuple[int, float], tuple[int, float]]:
    """(side, share of the shorter side) of training and of test images: the same scale, training images with a margin."""
    return (round(size / kept_share(size)), 1.0), (size, kept_share(size))


def _files(top: Path) -> list[Path]:
    """All files inside the folders in `top`, in order; hidden ones are passed over."""
    found = (path for child in top.iterdir() if child.is_dir() for path in child.rglob("*"))
    visible = (path for path in found if not any(part.startswith((".", "__")) for part in path.relative_to(top).parts))
    return sorted(path for path in visible if path.is_file())


def _others(files: Sequence[Path]) -> list[str]:
    """A note on files of kinds that are not read, the most frequent kind first."""
    kinds = Counter(file.suffix.lower() or "without an ending" for file in files).most_common()
    few = ", ".join(f"{count} {kind}" for kind, count in kinds[:4]) + ", …" * (len(kinds) > 4)
    return [f"Left out, of kinds that are not read: {few}. Convert what is a picture."] if files else []


def _without_pictures(roots: Sequence[Path], classes: Sequence[str]) -> list[str]:
    there = {child.name for root in roots for child in root.iterdir() if child.is_dir()}
    empty = sorted(name for name in there - set(classes) if not name.startswith((".", "__")))
    few = ", ".join(empty[:3]) + ", …" * (len(empty) > 3)
    return [f"Folders without a readable image are no classes: {few}."] if empty else []


def _unseen(classes: Sequence[str], images: Images, what: str) -> list[str]:
    absent = [name for label, name in enumerate(classes) if label not in images.labels]
    few = ", ".join(absent[:3]) + ", …" * (len(absent) > 3)
    return [f"{len(absent)} of {len(classes)} classes have no {what} image: {few}."] if absent else []


def cub(*, root: str, size: int | None = None) -> DataSet:
    """CUB-200-2011, whole or in part: the images that are listed and there, in the official split, with boxes and parts.

    mean, std: ImageNet's. Wah et al., The Caltech-UCSD Birds-200-2011 Dataset, 2011.
    """
    top, size = _existing(root, "the folder CUB_200_2011, with images.txt in it"), size or 224
    top = top / "CUB_200_2011" if (top / "CUB_200_2011" / "images.txt").is_file() else top
    listed = _listed(top)
    species_of, is_training = (
        dict(_table(top, name, 2).astype(int).tolist()) for name in ("image_class_labels.txt", "train_test_split.txt")
    )
    there = {
        top / "images" / name: number
        for number, name in listed.items()
        if number in species_of and number in is_training
    }
    there = {file: number for file, number in there.items() if file.is_file()}
    readable, notes = _readable(list(there))
    if len(there) < len(listed):
        notes.insert(0, f"{len(listed) - len(there)} of the {len(listed)} images listed in images.txt are not there.")
    if not readable:
        raise BadInput(
            f"None of the {len(listed)} images in {top / 'images.txt'} is in {top / 'images'}. Copy them there."
        )
    numbers = np.array([there[file] for file in readable])
    species = np.array([species_of[number] for number in numbers.tolist()])
    present = np.unique(species)
    boxes, (parts, part_names) = _boxes(top, numbers, notes), _parts(top, numbers, notes)
    halves = []
    for wanted, frame in zip((1, 0), frames(size), strict=True):
        mine = np.flatnonzero([is_training[number] == wanted for number in numbers.tolist()])
        files = [list(readable)[row] for row in mine]
        # not turned as EXIF says: boxes and parts are those of the pixels as stored
        half = _images(files, np.searchsorted(present, species[mine]), frame, top / "images", upright=False)
        sizes = np.array([readable[file] for file in files]).reshape(-1, 2)
        placed = None if boxes is None else boxes_in_square(boxes[mine], sizes, *frame)
        points = None if parts is None else parts_in_square(parts[mine], sizes, *frame)
        halves.append(replace(half, boxes=placed, parts=points))
    classes = _species(top, listed, species_of, present)
    mean, std = IMAGENET
    return DataSet("CUB-200-2011", classes, mean, std, size, halves[0], halves[1], part_names, tuple(notes))


def _listed(top: Path) -> dict[int, str]:
    """images.txt: the file of each image number."""
    rows = [
        line.split(maxsplit=1)
        for line in _existing_table(top, "images.txt").read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    if not rows or not all(len(row) == 2 and row[0].isdecimal() for row in rows):
        raise BadInput(
            f"Every line of {top / 'images.txt'} must be a number and a file; it is empty or was cut short. Copy it again."
        )
    return {int(number): name.strip() for number, name in rows}


def _table(top: Path, name: str, columns: int) -> np.ndarray:
    """One of CUB's tables of numbers, (rows, columns)."""
    file = _existing_table(top, name)
    try:
        table = np.loadtxt(file, ndmin=2) if file.stat().st_size else np.empty((0, 0))
    except ValueError as error:
        raise BadInput(f"{file} must hold {columns} numbers in every line: {error}. Copy it again.") from error
    if table.shape[1] != columns:
        raise BadInput(
            f"{file} must hold {columns} numbers in every line; it has {table.shape[1] or 'none'}. Copy it again."
        )
    return table


def _existing_table(top: Path, name: str) -> Path:
    if not (top / name).is_file():
        raise Missing(
            f"'{top}' does not have the layout of CUB-200-2011: there is no {name} in it. root takes the folder that holds "
            "images.txt, image_class_labels.txt, train_test_split.txt and images/."
        )
    return top / name


def _species(top: Path, listed: dict[int, str], species_of: dict[int, int], present: np.ndarray) -> tuple[str, ...]:
    """Names of the species that are there, "Black footed Albatross", from classes.txt or the folders' names."""
    folders = {species_of[number]: Path(name).parts[0] for number, name in listed.items() if number in species_of}
    if (top / "classes.txt").is_file():
        lines = [line.split(maxsplit=1) for line in (top / "classes.txt").read_text(encoding="utf-8").splitlines()]
        folders |= {int(line[0]): line[1].strip() for line in lines if len(line) == 2 and line[0].isdecimal()}
    return tuple(
        folders[species].partition(".")[2].replace("_", " ") or folders[species] for species in present.tolist()
    )


def _boxes(top: Path, numbers: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """Edges (N, 4) x0, y0, x1, y1 in the original photographs, NaN where none is listed."""
    if not (top / "bounding_boxes.txt").is_file():
        notes.append("There is no bounding_boxes.txt, so no bounding boxes.")
        return None
    table = _table(top, "bounding_boxes.txt", 5)
    boxes = np.full((int(max(numbers.max(), table[:, 0].max())) + 1, 4), np.nan)
    boxes[table[:, 0].astype(int)] = np.concatenate([table[:, 1:3], table[:, 1:3] + table[:, 3:5]], 1)
    return boxes[numbers]


def _parts(top: Path, numbers: np.ndarray, notes: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Pixels (N, P, 2) x, y of the parts in the original photographs, NaN where not visible; and the parts' names."""
    if not (top / "parts" / "part_locs.txt").is_file():
        notes.append("There is no parts/part_locs.txt, so no parts.")
        return None, ()
    names: tuple[str, ...] = PARTS
    if (top / "parts" / "parts.txt").is_file():
        names = tuple(
            line.split(maxsplit=1)[1]
            for line in (top / "parts" / "parts.txt").read_text(encoding="utf-8").splitlines()
            if line.strip()
        )
    table = _table(top, "parts/part_locs.txt", 5)
    if not set(table[:, 1].tolist()) <= set(range(1, len(names) + 1)):
        raise BadInput(
            f"{top / 'parts/part_locs.txt'} names parts other than 1 to {len(names)}, those of parts/parts.txt. Copy both again."
        )
    seen = table[table[:, 4] == 1]
    parts = np.full((int(max(numbers.max(), table[:, 0].max())) + 1, len(names), 2), np.nan)
    parts[seen[:, 0].astype(int), seen[:, 1].astype(int) - 1] = seen[:, 2:4]
    return parts[numbers], names
