"""The made CUB set has the shape of the real one, and its boxes hold the parts of its birds."""

from benchmarks.made_cub import FEW, MOST, ONE_LESS, TRAINED, all_species, draw
from precompute.photographs import PARTS


def test_it_has_as_many_species_and_images_as_cub() -> None:
    names = [item.name for item in all_species()]
    assert len(set(names)) == 200 and (names[0], names[-1]) == ("001.Black_footed_Albatross", "200.Common_Yellowthroat")
    assert sum(FEW.get(number, MOST) for number in range(200)) == 11_788
    assert 200 * TRAINED - len(ONE_LESS) == 5_994


def test_a_bird_is_drawn_again_as_it_was_with_its_parts_in_its_box() -> None:
    species = all_species()[71]
    for seed in range(8):
        bird = draw(species, seed)
        assert bird.picture.tobytes() == draw(species, seed).picture.tobytes() and 224 in bird.picture.size
        left, top, wide, tall = bird.box
        seen = {name: (x, y) for name, (x, y, there) in zip(PARTS, bird.parts, strict=True) if there}
        assert ("left eye" in seen) != ("right eye" in seen)
        assert all(left - 1 <= x <= left + wide + 1 and top - 1 <= y <= top + tall + 1 for x, y in seen.values())
