"""Makes a damaged run whole: takes away what is not as it was written, and computes it again from the recipes it was asked with."""

from collections.abc import Callable, Iterator

from precompute import allowed
from precompute.bench import determined, open_bench
from precompute.making import make
from precompute.material import images_prefix
from precompute.recipe import Recipe, parse
from store.errors import BadInput, Corrupt, Missing
from store.ids import is_id, safe
from store.objects import Objects
from store.runs import Run, Status, dataset, open_run


def repair(run: Run, show: Callable[[Status], None]) -> Iterator[str]:
    """Runs again every recipe this run was asked for with, without what was damaged; yields a sentence for each such thing."""
    asked = asked_for(run)
    yield from remove_damage(run)
    try:
        compute(run, asked, show)
    except Corrupt:  # shards whose artifact's description was damaged can be looked through only now
        yield from remove_damage(open_run(run.objects, run.id))
        compute(run, asked, show)


def compute(run: Run, asked: list[Recipe], show: Callable[[Status], None]) -> None:
    for recipe in asked:
        make(run.objects, recipe, show, on="" if run.origin == "trained" else run.id)


def asked_for(run: Run) -> list[Recipe]:
    """The recipes a run was asked for with, which make what it lacks. Raises BadInput where they make another run."""
    asked = [parse(fields, run.id) for fields in run.kept("asked") or [dict(run.recipe)]]
    for recipe in asked:
        allowed.trust(recipe)
        if run.origin != "trained" or (made := determined(recipe)) == run.id:
            continue
        if run.attributes.get("id") == made:
            raise BadInput(
                f"Run {run.id} is run {made} under another name, and is computed again only under its own: rename the "
                f"folder to {made} where there is no such run, or delete it: python -m precompute delete {run.id}"
            )
        raise BadInput(
            f"Run {run.id} cannot be computed again here: its recipe makes run {made}. Its images, its first weights, code "
            "of your own or the precision of this machine are not those it was trained with."
        )
    return asked


def remove_damage(run: Run) -> list[str]:
    """Discards every damaged shard of a run and of its images; returns what it found, one sentence each."""
    found = [line for artifact in run.artifacts().values() for line in artifact.discard_damage()]
    for name in run.datasets():
        found += images_anew(run.objects, name, run.id)
    for name, why in run.unread.items():
        found += described_anew(run.objects, f"{run.path}/{name}", why)
    for path in run.damaged():
        run.objects.clear(path)
        found.append(f"{path} was not what was written.")
    for name in ("summary.json", "status.json"):
        run.objects.make_way(f"{run.path}/{name}")
    run.reopen()
    return found


def images_anew(objects: Objects, name: str, run_id: str, *, thorough: bool = True) -> list[str]:
    """Takes away what is damaged of a set of images; only its description where it is not looked through."""
    try:
        images = dataset(objects, name, run_id)
        return images.discard_damage() if thorough else []
    except Missing:  # making the run stores them again
        objects.make_way(f"datasets/{name}/zarr.json")
        return []
    except Corrupt as error:
        return described_anew(objects, f"datasets/{name}", str(error))


def described_anew(objects: Objects, path: str, why: str) -> list[str]:
    """Takes away an artifact's damaged description; its shards and marks stay, and are compared when it is made again."""
    objects.clear_description(path)
    return [why]


def remade(objects: Objects, run_id: str) -> tuple[Run, list[str]]:
    """The run with new facts in place of damaged ones, from a recipe that was kept, and what was removed for it.

    Raises Corrupt where no recipe makes this run.
    """
    for fields in Run(objects, safe(run_id), {}).kept("asked"):
        recipe = parse(fields, run_id)
        allowed.trust(recipe)
        if determined(recipe) == run_id:
            found = []
            for name in filter(is_id, objects.folders("datasets")):  # which of them are its own, its lost facts told
                if name.startswith(images_prefix(recipe)):
                    found += images_anew(objects, name, run_id, thorough=False)
            objects.clear(f"runs/{run_id}/zarr.json")
            return open_bench(objects, recipe).run, found
    raise Corrupt(
        f"runs/{run_id}/zarr.json is damaged, and no recipe in runs/{run_id}/asked makes this run anew. "
        f"Put a copy of the file in its place, or delete the run: python -m precompute delete {run_id}"
    )
