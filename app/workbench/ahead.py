"""What the quarters will ask the network is asked before they are drawn, so that it works meanwhile."""

from app import reading
from app.embedding import guests
from app.embedding import stored as maps
from app.network import asking as paths
from app.network import stored as filters
from app.selection import Selection
from app.testing import compact


def ask(now: Selection) -> bool:
    """Begins with the image before and after its edits; returns whether there are some, which other quarters ask about, too."""
    compact.ahead(now)
    request = paths.path(now)
    if request is None:
        return False
    activations = filters.found(now).activations
    if activations and now.epoch in reading.epochs(activations):
        paths.reply("path", request, 0)
    guests.begin(now, maps.maps(now))
    return True
