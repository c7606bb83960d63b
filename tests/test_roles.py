"""Who may do what: without sign-in, with it, by address and by claim, and wherever something could let in too many."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.secrets import Secrets
from streamlit.testing.v1 import AppTest

from app.access import hosting, roles
from app.access.roles import Person
from store.errors import BadInput, Forbidden, LoupeError
from tests.test_pages import opened, words
from tests.worlds import make_world

pytestmark = pytest.mark.filterwarnings("ignore")
AUTH = {"auth": {"client_id": "loupe", "redirect_uri": "http://localhost:8501/oauth2callback"}}
SETTINGS = ("LOUPE_ENGINEERS", "LOUPE_ENGINEER_CLAIM", "LOUPE_READ_ONLY")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def asking() -> None:
    import streamlit as st

    from app.access import roles
    from store.errors import LoupeError

    st.session_state["your.name"] = "  Ada  "
    try:
        st.session_state["found"] = (
            roles.person(),
            {action: roles.refusal(action, roles.person()) for action in roles.ACTIONS},
        )
        st.session_state["found"] += (roles.demand("delete"),)
    except LoupeError as error:
        st.session_state["refused"] = error


def seen(user: Mapping[str, Any] | None = None, secrets: Mapping[str, Any] = AUTH) -> Any:
    """The session of somebody whom the provider described like this."""
    app = AppTest.from_function(asking)
    app.secrets, app.user = dict(secrets), dict(user or {})
    app.run()
    assert not app.exception
    return app.session_state


def claimed(**claims: Any) -> Person:
    return seen({"is_logged_in": True, **claims})["found"][0]


# Without sign-in


def test_the_person_at_this_machine_may_do_everything_in_the_name_they_typed() -> None:
    state = seen(secrets={})
    assert state["found"] == (Person("Ada", True, False), dict.fromkeys(roles.ACTIONS, ""), Person("Ada", True, False))


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "", None, "192.168.1.5", "example.org"])
def test_who_comes_over_a_network_may_only_look(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    monkeypatch.setattr(st, "get_option", lambda name: address)
    assert not roles.at_this_machine()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_a_loopback_address_is_this_machine(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(st, "get_option", lambda name: address)
    assert roles.at_this_machine()


@pytest.mark.parametrize(
    ("headers", "direct"),
    [
        ({"Host": "localhost:8501"}, True),
        ({"Host": "127.0.0.1:8501"}, True),
        ({"Host": "[::1]:8501"}, True),
        ({"Host": "loupe.example.org"}, False),  # a proxy that says nothing, or another site's name for 127.0.0.1
        ({"Host": "localhost.example.org:8501"}, False),
        ({"Host": "localhost", "X-Forwarded-For": "203.0.113.9"}, False),
        ({"Host": "localhost", "Forwarded": "for=203.0.113.9"}, False),
    ],
)
def test_a_proxy_in_front_of_a_loopback_address_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], direct: bool
) -> None:
    monkeypatch.setattr(type(st.context), "headers", property(lambda self: headers))
    monkeypatch.setattr(st, "get_option", lambda name: "127.0.0.1")
    assert roles.at_this_machine() is direct


def test_secrets_that_cannot_be_read_make_nobody_an_engineer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets.toml").write_text("[auth\nclient_id = 1")
    monkeypatch.setattr(st, "get_option", lambda name: [str(tmp_path / "secrets.toml"), str(tmp_path / "none.toml")])
    broken = Secrets()
    monkeypatch.setattr(broken, "load_if_toml_exists", lambda: False)
    monkeypatch.setattr(st, "secrets", broken)
    with pytest.raises(BadInput, match=r"secrets\.toml cannot be read"):
        roles.person()
    with pytest.raises(LoupeError):
        roles.demand("judge")


# With sign-in


def test_who_is_not_signed_in_may_nothing() -> None:
    for user in ({}, {"is_logged_in": False, "email": "a@example.org"}, {"email": "a@example.org"}):
        state = seen(user)
        assert str(state["refused"]).endswith("Sign in first.")


def test_who_is_signed_in_may_look_and_is_told_why_not_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_ENGINEERS", "a@example.org")
    state = seen({"is_logged_in": True, "email": "v@example.org"})
    assert isinstance(state["refused"], Forbidden) and isinstance(state["refused"], PermissionError)
    assert "You are signed in as v@example.org" in str(state["refused"])


@pytest.mark.parametrize(
    ("claims", "engineer"),
    [
        ({"email": "A@Example.org", "email_verified": True}, True),
        ({"email": "b@example.org"}, True),
        ({"email": "a@example.org", "email_verified": False}, False),
        ({"email": "a@example.org", "email_verified": "false"}, False),
        ({"email": "xa@example.org"}, False),
        ({"email": ""}, False),
        ({}, False),
        ({"name": "a@example.org", "preferred_username": "a@example.org"}, False),
    ],
)
def test_engineers_by_address(monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any], engineer: bool) -> None:
    monkeypatch.setenv("LOUPE_ENGINEERS", " a@example.org,B@EXAMPLE.ORG,, ")
    assert claimed(sub="7", **claims).engineer is engineer


@pytest.mark.parametrize(
    ("roles_held", "engineer"),
    [("engineer", True), (["reader", "engineer"], True), ("engineers", False), (["Engineer"], False), (None, False)],
)
def test_engineers_by_claim(monkeypatch: pytest.MonkeyPatch, roles_held: object, engineer: bool) -> None:
    monkeypatch.setenv("LOUPE_ENGINEER_CLAIM", "roles=engineer")
    assert claimed(sub="7", roles=roles_held).engineer is engineer
    assert not claimed(sub="7").engineer


@pytest.mark.parametrize("claim", ["engineer", "=engineer", "roles="])
def test_a_claim_nobody_can_have_is_an_error(monkeypatch: pytest.MonkeyPatch, claim: str) -> None:
    monkeypatch.setenv("LOUPE_ENGINEER_CLAIM", claim)
    assert "roles=engineer" in str(seen({"is_logged_in": True, "sub": "7"})["refused"])


def test_without_a_list_nobody_is_an_engineer() -> None:
    assert not claimed(email="a@example.org", roles=["engineer"]).engineer


def test_the_trail_gets_the_address_unless_the_provider_doubts_it() -> None:
    assert claimed(email="a@example.org", sub="7").name == "a@example.org"
    assert claimed(email="a@example.org", email_verified=False, sub="7").name == "7"
    assert len(claimed(sub="7" * 500).name) == roles.NAME_LENGTH


@pytest.mark.parametrize("value", ["1", "true", "YES"])
def test_a_host_that_only_shows_refuses_everybody(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LOUPE_READ_ONLY", value)
    monkeypatch.setenv("LOUPE_ENGINEERS", "a@example.org")
    for state in (seen(secrets={}), seen({"is_logged_in": True, "email": "a@example.org"})):
        assert "only shows runs" in str(state["refused"])
        assert all("LOUPE_READ_ONLY" in reason for reason in state["found"][1].values())


def test_providers() -> None:
    with pytest.MonkeyPatch.context() as patch:
        for auth, names in (({"client_id": "x"}, [None]), ({"cookie_secret": "x", "one": {"client_id": "x"}}, ["one"])):
            patch.setattr(roles, "sign_in", lambda auth=auth: auth)
            assert roles.providers() == names


# The door


def test_the_door_hides_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    run = make_world(tmp_path)
    monkeypatch.setattr(roles, "sign_in", lambda: AUTH["auth"])
    app = opened()
    assert [button.label for button in app.button] == ["Sign in"]
    assert run not in words(app) and not app.selectbox and not app.sidebar.button


@pytest.mark.parametrize(("read_only", "label"), [("", "Your name"), ("1", None)])
def test_the_sidebar_says_who_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: str, label: str | None
) -> None:
    monkeypatch.setenv("LOUPE_STORE", str(tmp_path))
    monkeypatch.setenv("LOUPE_READ_ONLY", read_only)
    app = opened()
    assert [field.label for field in app.sidebar.text_input] == ([label] if label else [])
    assert ("Only to look at" in [caption.value for caption in app.sidebar.caption]) is not bool(label)


@pytest.mark.parametrize(
    ("address", "secrets", "read_only", "fine"),
    [
        ("127.0.0.1", None, "", True),
        ("localhost", None, "", True),
        ("0.0.0.0", None, "", False),
        ("::", None, "", False),
        ("0.0.0.0", None, "1", True),
        ("0.0.0.0", "[auth]\nclient_id = 'x'\n", "", True),
        ("0.0.0.0", "other = 1\n", "", False),
    ],
)
def test_listening_on_a_network_needs_sign_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, secrets: str | None, read_only: str, fine: bool
) -> None:
    monkeypatch.setenv("LOUPE_READ_ONLY", read_only)
    monkeypatch.setattr(hosting, "SECRETS", (tmp_path / "secrets.toml", tmp_path / "none.toml"))
    if secrets:
        (tmp_path / "secrets.toml").write_text(secrets)
    assert (hosting.exposed(address) == "") is fine


def test_secrets_that_cannot_be_read_start_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "SECRETS", (tmp_path / "secrets.toml",))
    (tmp_path / "secrets.toml").write_text("[auth")
    with pytest.raises(SystemExit, match="cannot be read"):
        hosting.exposed("0.0.0.0")
