"""Settings of a host, read from its environment and files; standard library only, because `app.launch` starts with it."""

import os
import tomllib
from ipaddress import ip_address
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECRETS = (ROOT / ".streamlit/secrets.toml", Path("~/.streamlit/secrets.toml").expanduser())


def is_set(name: str) -> bool:
    """Whether a switch of the environment is on."""
    return os.environ.get(name, "").strip().lower() in ("1", "true", "yes")


def read_only() -> bool:
    return is_set("LOUPE_READ_ONLY")


def loopback(address: str | None) -> bool:
    """Whether an address to listen on can be reached from this machine alone; none at all means every network."""
    if not address:
        return False
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def exposed(address: str) -> str:
    """Why the app must not listen there, "" where it may."""
    if loopback(address) or read_only() or any(map(signs_in, SECRETS)):
        return ""
    return (
        f"Everybody who can reach {address} could start trainings and delete runs. Set up sign-in in "
        ".streamlit/secrets.toml (docs/hosting.md has an example), or set LOUPE_READ_ONLY=1 so that visitors can only look, "
        "or leave --address out: then only this machine can open Loupe."
    )


def signs_in(file: Path) -> bool:
    """Whether a file of secrets sets up sign-in; SystemExit where it cannot be read."""
    try:
        return bool(tomllib.loads(file.read_text(encoding="utf-8")).get("auth"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise SystemExit(f"{file} cannot be read: {error}. Mend or remove it.") from error
