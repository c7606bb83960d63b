"""Ids of runs and data sets: what may name a folder of the store."""

from store.errors import BadInput


def safe(name: str) -> str:
    """A name that stays inside its folder; raises BadInput for any other."""
    if not is_id(name):
        raise BadInput(f"'{name[:60]}' is no id: letters, digits, '-', '_' and '.' were expected.")
    return name


def is_id(name: str) -> bool:
    return 0 < len(name) <= 120 and all(part.isalnum() or part in "-_." for part in name) and not name.startswith(".")
