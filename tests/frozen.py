"""Imported last where processes are forked: what is loaded by then is never looked through for garbage again."""

import atexit
import gc
import os

gc.collect()
gc.freeze()
HERE = os.getpid()


@atexit.register
def leave() -> None:
    """Ends the process that forks without taking its libraries down: some say at length what they did not free."""
    if os.getpid() == HERE:
        os._exit(0)
