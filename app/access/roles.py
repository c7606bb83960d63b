"""Who is looking, and what they may do: asked in every action (app/access/actions.py), and by pages to hide what would be refused.

Without sign-in ([auth] in .streamlit/secrets.toml) the one person at this machine may do everything. With it, everyone
signed in may look, and engineers may change things. docs/hosting.md says how to set it up.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from app.access.hosting import loopback, read_only
from store.errors import BadInput, Forbidden

ACTIONS = {
    "re-train": "ask for a training",
    "cancel": "cancel a training or ask for it again",
    "judge": "leave observations and verdicts",
    "delete": "delete runs and weights",
}
NAME = "your.name"  # what the person at this machine calls themselves
NAME_LENGTH = 80
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via")


@dataclass(frozen=True)
class Person:
    """`name` is what the trail says: the address of who is signed in, else what they call themselves, else ""."""

    name: str
    engineer: bool
    signed_in: bool


def person() -> Person:
    """Who this session belongs to."""
    if not sign_in():
        return Person(typed_name(), at_this_machine(), False)
    claims = st.user.to_dict()
    if claims.get("is_logged_in") is not True:
        return Person("", False, False)
    return Person(identity(claims), is_engineer(claims), True)


def may(action: str) -> bool:
    return not refusal(action, person())


def demand(action: str) -> Person:
    """Who asks for this action ("re-train", "cancel", "judge", "delete"); raises Forbidden unless they may have it."""
    asking = person()
    if reason := refusal(action, asking):
        raise Forbidden(reason)
    return asking


def refusal(action: str, asking: Person) -> str:
    """Why this person may not do this, "" where they may."""
    doing = ACTIONS[action]
    if read_only():
        return f"Nobody can {doing} here: this Loupe only shows runs (LOUPE_READ_ONLY is set where it was started)."
    if asking.engineer:
        return ""
    if asking.signed_in:
        return f"Only engineers may {doing}. You are signed in as {asking.name}; ask who hosts this Loupe to list you."
    if sign_in():
        return f"Only engineers may {doing}. Sign in first."
    return (
        f"Nobody can {doing} here: this Loupe is reached over a network, and sign-in is not set up. Open it as localhost on "
        "the machine it runs on, or set up sign-in (docs/hosting.md)."
    )


# Sign-in


def sign_in() -> Mapping[str, Any]:
    """The section [auth] of the secrets, {} where there is none; raises BadInput where they cannot be read.

    A misprint in them must not make everybody an engineer.
    """
    if st.secrets.load_if_toml_exists():
        return st.secrets.get("auth") or {}
    files = [file for file in st.get_option("secrets.files") if Path(file).exists()]
    if files:
        raise BadInput(
            f"The sign-in settings in {files[0]} cannot be read: TOML was expected. Mend or remove the file."
        )
    return {}


def providers() -> list[str | None]:
    """The names that st.login takes: None for a provider without a name, else each that has a section of its own."""
    named = [name for name, value in sign_in().items() if isinstance(value, Mapping) and "client_id" in value]
    return [*named] or [None]


def identity(claims: Mapping[str, Any]) -> str:
    """What is to stand in the trail: the address where the provider does not deny that it is theirs, else the subject."""
    named = (claims.get("email") if address_holds(claims) else None) or claims.get("sub") or claims.get("name") or ""
    return str(named)[:NAME_LENGTH]


def address_holds(claims: Mapping[str, Any]) -> bool:
    return str(claims.get("email_verified", True)).lower() != "false"


def is_engineer(claims: Mapping[str, Any]) -> bool:
    """By address (LOUPE_ENGINEERS="a@example.org, b@example.org") or by claim (LOUPE_ENGINEER_CLAIM="roles=engineer")."""
    listed = {address.strip().casefold() for address in os.environ.get("LOUPE_ENGINEERS", "").split(",")} - {""}
    address = str(claims.get("email") or "").strip().casefold()
    return (address in listed and address_holds(claims)) or has_claim(claims)


def has_claim(claims: Mapping[str, Any]) -> bool:
    wanted = os.environ.get("LOUPE_ENGINEER_CLAIM", "").strip()
    if not wanted:
        return False
    name, equals, value = (part.strip() for part in wanted.partition("="))
    if not (name and equals and value):
        raise BadInput(f"LOUPE_ENGINEER_CLAIM is '{wanted}'; a claim and its value were expected: roles=engineer.")
    held = claims.get(name)
    return value in held if isinstance(held, list) else held == value


# Without sign-in


def typed_name() -> str:
    return str(st.session_state.get(NAME) or "").strip()[:NAME_LENGTH]


def at_this_machine() -> bool:
    """Whether only this machine can reach the server, and this request came straight from it: a proxy in front of it, or
    another site's name for this address, would let in anybody."""
    headers = st.context.headers
    host = headers.get("Host")
    direct = not any(name in headers for name in FORWARDED)
    return loopback(st.get_option("server.address")) and direct and (host is None or loopback(host_name(host)))


def host_name(host: str) -> str:
    """A Host header without its port."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
