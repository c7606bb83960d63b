"""A made set of CUB-200-2011's very layout and shape: 200 species, 11,788 drawn birds, boxes, parts, the official split's sizes.

Each bird is drawn from a few colours of its species, before a ground that is its family's, so that relatives are easily
taken for each other, as real ones are. For looking at pages and times with 200 classes; nobody learns about birds from it.

    python -m benchmarks.made_cub FOLDER [--share 1.0]

Then a recipe reads it with `set = "cub"`, `options = { root = "FOLDER" }`. --share 0.1 makes every tenth image of a species.
"""

import argparse
import colorsys
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from precompute.photographs import PARTS

# The species of CUB-200-2011 by family, in its order; "-": the family's name is the species'
FAMILIES = """Albatross: Black_footed Laysan Sooty; Ani: Groove_billed; Auklet: Crested Least Parakeet Rhinoceros; Blackbird:
Brewer Red_winged Rusty Yellow_headed; Bobolink: -; Bunting: Indigo Lazuli Painted; Cardinal: -; Catbird: Spotted Gray; Chat:
Yellow_breasted; Towhee: Eastern; Widow: Chuck_will; Cormorant: Brandt Red_faced Pelagic; Cowbird: Bronzed Shiny; Creeper:
Brown; Crow: American Fish; Cuckoo: Black_billed Mangrove Yellow_billed; Finch: Gray_crowned_Rosy Purple; Flicker: Northern;
Flycatcher: Acadian Great_Crested Least Olive_sided Scissor_tailed Vermilion Yellow_bellied; Frigatebird: -; Fulmar: Northern;
Gadwall: -; Goldfinch: American European; Grackle: Boat_tailed; Grebe: Eared Horned Pied_billed Western; Grosbeak: Blue
Evening Pine Rose_breasted; Guillemot: Pigeon; Gull: California Glaucous_winged Heermann Herring Ivory Ring_billed
Slaty_backed Western; Hummingbird: Anna Ruby_throated Rufous; Violetear: Green; Jaeger: Long_tailed Pomarine; Jay: Blue Florida
Green; Junco: Dark_eyed; Kingbird: Tropical Gray; Kingfisher: Belted Green Pied Ringed White_breasted; Kittiwake: Red_legged;
Lark: Horned; Loon: Pacific; Mallard: -; Meadowlark: Western; Merganser: Hooded Red_breasted; Mockingbird: -; Nighthawk: -;
Nutcracker: Clark; Nuthatch: White_breasted; Oriole: Baltimore Hooded Orchard Scott; Ovenbird: -; Pelican: Brown White; Pewee:
Western_Wood; Sayornis: -; Pipit: American; Will: Whip_poor; Puffin: Horned; Raven: Common White_necked; Redstart: American;
Geococcyx: -; Shrike: Loggerhead Great_Grey; Sparrow: Baird Black_throated Brewer Chipping Clay_colored House Field Fox
Grasshopper Harris Henslow Le_Conte Lincoln Nelson_Sharp_tailed Savannah Seaside Song Tree Vesper White_crowned
White_throated; Starling: Cape_Glossy; Swallow: Bank Barn Cliff Tree; Tanager: Scarlet Summer; Tern: Artic Black Caspian
Common Elegant Forsters Least; Towhee: Green_tailed; Thrasher: Brown Sage; Vireo: Black_capped Blue_headed Philadelphia
Red_eyed Warbling White_eyed Yellow_throated; Warbler: Bay_breasted Black_and_white Black_throated_Blue Blue_winged Canada
Cape_May Cerulean Chestnut_sided Golden_winged Hooded Kentucky Magnolia Mourning Myrtle Nashville Orange_crowned Palm Pine
Prairie Prothonotary Swainson Tennessee Wilson Worm_eating Yellow; Waterthrush: Northern Louisiana; Waxwing: Bohemian Cedar;
Woodpecker: American_Three_toed Pileated Red_bellied Red_cockaded Red_headed Downy; Wren: Bewick Cactus Carolina House Marsh
Rock Winter; Yellowthroat: Common"""
FEW = {3: 43, 17: 43, 51: 43, 88: 43} | dict.fromkeys(
    (21, 22, 60, 65, 104, 123, 160, 198), 42
)  # images of a species, else
MOST = 60  # so that there are 11,788
TRAINED, ONE_LESS = 30, (7, 36, 73, 110, 147, 184)  # training images of a species; species with one less: 5,994
PROCESSES = min(4, os.cpu_count() or 1)

# Places of CUB's parts on a bird that looks left, in lengths of its body from the body's centre; hidden: on its other side
PLACES = {
    "back": (0.1, -0.3), "beak": (-0.95, -0.42), "belly": (0.05, 0.3), "breast": (-0.35, 0.1), "crown": (-0.55, -0.68),
    "forehead": (-0.7, -0.58), "left eye": (-0.62, -0.48), "left leg": (0.05, 0.55), "left wing": (0.15, -0.02),
    "nape": (-0.38, -0.45), "tail": (0.85, 0.1), "throat": (-0.6, -0.25),
}  # fmt: skip

Point = tuple[float, float]
Box = tuple[float, float, float, float]
Parts = tuple[tuple[float, float, int], ...]


@dataclass(frozen=True)
class Species:
    """What tells a species from others. Colours are (R, G, B)."""

    name: str  # "001.Black_footed_Albatross"
    ground: tuple[int, int, int]
    body: tuple[int, int, int]
    head: tuple[int, int, int]
    wing: tuple[int, int, int]
    beak: float  # its length, in lengths of the body
    plump: float  # the body's height, likewise


@cache
def all_species() -> tuple[Species, ...]:
    """The 200; relatives share ground, beak and build, and nearly the body's colour."""
    found: list[Species] = []
    for order, family in enumerate(" ".join(FAMILIES.split()).split("; ")):
        name, members = family.split(": ")
        random, hue = np.random.default_rng(order), order * 0.381966 % 1
        ground, beak, plump = colour(hue + 0.45, 0.35, 0.75), random.uniform(0.15, 0.55), random.uniform(0.5, 0.8)
        for member in members.split():
            whole = name if member == "-" else f"{member}_{name}"
            shades = [
                (hue + random.normal(0, 0.03), 0.7, 0.8),
                (random.random(), 0.9, 0.9),
                (random.random(), 0.6, 0.5),
            ]
            body, head, wing = (colour(*shade) for shade in shades)
            found.append(Species(f"{len(found) + 1:03}.{whole}", ground, body, head, wing, beak, plump))
    return tuple(found)


def colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


@dataclass(frozen=True)
class Bird:
    """One picture, and where what is on it."""

    picture: Image.Image
    box: Box  # left, top, width, height
    parts: Parts  # x, y, 1: visible, as PARTS lists them


def draw(species: Species, seed: int) -> Bird:
    """A bird of 30 to 60 % of the picture's width, looking left or right, on a blurred ground of the family's colour."""
    random = np.random.default_rng(seed)
    width, height = (224, 224 + int(random.integers(0, 100)))[:: random.choice((1, -1))]
    shades = np.clip(random.normal(species.ground, 38, (6, 6, 3)), 0, 255).astype(np.uint8)
    picture = Image.fromarray(shades).resize((width, height), Image.Resampling.BICUBIC)
    length, flip = random.uniform(0.3, 0.5) * width, random.choice((1, -1))
    x, y = random.uniform(0.42, 0.58) * width, random.uniform(0.42, 0.58) * height

    def at(across: float, down: float) -> tuple[float, float]:
        return x + flip * across * length, y + down * length * species.plump / 0.7

    pen = ImageDraw.Draw(picture)

    def oval(across: float, down: float, wide: float, high: float, fill: tuple[int, int, int]) -> None:
        mid_x, mid_y = at(across, down)
        half = wide * length / 2, high * length / 2
        pen.ellipse((mid_x - half[0], mid_y - half[1], mid_x + half[0], mid_y + half[1]), fill=fill)

    pen.polygon([at(0.3, -0.1), at(0.95, 0), at(0.9, 0.2), at(0.3, 0.15)], fill=species.wing)
    pen.line([at(0.05, 0.3), at(0.05, 0.7)], fill=(60, 50, 40), width=3)
    oval(0, 0, 1.1, species.plump, species.body)
    oval(0.15, -0.02, 0.6, species.plump * 0.5, species.wing)
    pen.polygon([at(-0.7, -0.52), at(-0.75 - species.beak, -0.4), at(-0.7, -0.34)], fill=(230, 170, 40))
    oval(-0.55, -0.45, 0.45, 0.42, species.head)
    oval(-0.62, -0.48, 0.08, 0.08, (10, 10, 10))
    return Bird(picture, *places(at, flip, species.beak, (width, height)))


def places(at: Callable[[float, float], Point], flip: int, beak: float, size: tuple[int, int]) -> tuple[Box, Parts]:
    """Box and parts of a bird whose points `at` gives; looking right, it shows the right one of its two eyes, legs, wings."""
    corners = np.array([at(-0.75 - beak, -0.68), at(0.95, 0.7)])
    low, high = np.clip(corners.min(0), 0, size), np.clip(corners.max(0), 0, size)
    shown = "left" if flip == 1 else "right"
    parts = []
    for name in PARTS:
        side, _, what = name.partition(" ")
        spot = at(*PLACES[f"left {what}" if what else name]) if not what or side == shown else None
        inside = spot is not None and 0 <= spot[0] < size[0] and 0 <= spot[1] < size[1]
        parts.append((round(spot[0], 1), round(spot[1], 1), 1) if spot and inside else (0.0, 0.0, 0))
    left, top, wide, tall = (float(number) for number in (*low.round(1), *(high - low).round(1)))
    return (left, top, wide, tall), tuple(parts)


def make_species(folder: Path, number: int, first: int, count: int) -> tuple[list[str], list[str]]:
    """Draws `count` birds of species `number`, images `first` and on; their lines of the boxes and of the parts."""
    species, boxes, parts = all_species()[number], [], []
    (folder / "images" / species.name).mkdir(parents=True, exist_ok=True)
    for image in range(first, first + count):
        bird = draw(species, image)
        bird.picture.save(folder / "images" / name_of(species, image), quality=85)
        boxes.append(f"{image} " + " ".join(map(str, bird.box)))
        parts += [f"{image} {part} {x} {y} {seen}" for part, (x, y, seen) in enumerate(bird.parts, 1)]
    return boxes, parts


def name_of(species: Species, image: int) -> str:
    return f"{species.name}/{species.name.partition('.')[2]}_{image:05}.jpg"


def make(folder: Path, share: float = 1.0) -> int:
    """Writes the set into `folder`; how many images it has."""
    every, kinds = round(1 / share), all_species()
    counts = [-(-FEW.get(number, MOST) // every) for number in range(len(kinds))]
    starts = [1 + sum(counts[:number]) for number in range(len(kinds))]
    lines: dict[str, list[str]] = {"classes.txt": [f"{place} {item.name}" for place, item in enumerate(kinds, 1)]}
    lines |= {name: [] for name in ("images.txt", "image_class_labels.txt", "train_test_split.txt")}
    for number, (start, count) in enumerate(zip(starts, counts, strict=True)):
        trained = -(-(TRAINED - (number in ONE_LESS)) // every)
        for image in range(start, start + count):
            lines["images.txt"].append(f"{image} {name_of(kinds[number], image)}")
            lines["image_class_labels.txt"].append(f"{image} {number + 1}")
            lines["train_test_split.txt"].append(f"{image} {int(image - start < trained)}")
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(PROCESSES) as pool:
        drawn = list(pool.map(make_species, [folder] * len(kinds), range(len(kinds)), starts, counts))
    lines["bounding_boxes.txt"] = [line for boxes, _ in drawn for line in boxes]
    lines["parts/part_locs.txt"] = [line for _, parts in drawn for line in parts]
    lines["parts/parts.txt"] = [f"{place} {name}" for place, name in enumerate(PARTS, 1)]
    for name, rows in lines.items():
        (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return sum(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="0.1: every tenth image of a species")
    options = parser.parse_args()
    began = time.perf_counter()
    count = make(options.folder, options.share)
    seconds = time.perf_counter() - began
    print(f"{count:,} images of {len(all_species())} species in {options.folder}, in {seconds:.0f} s.")
    print(json.dumps({"images": count, "images a second": round(count / seconds, 1)}))


if __name__ == "__main__":
    main()
