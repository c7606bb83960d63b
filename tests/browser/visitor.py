"""A visitor without a browser: speaks Streamlit's protocol, and sends the clicks it wants to."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

XSRF = "_streamlit_xsrf"


@dataclass
class Visitor:
    """One session, and what the last answer showed."""

    connection: ClientConnection
    buttons: dict[str, str] = field(default_factory=dict)  # key -> id
    errors: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    sent_to: str = ""  # another site

    def open(self, page: str = "", pressed: Iterable[str] = ()) -> "Visitor":
        """Asks for a page, as though the buttons of these ids had been pressed, and takes the answer."""
        message = BackMsg()
        message.rerun_script.page_name = page
        for button in pressed:
            state = message.rerun_script.widget_states.widgets.add()
            state.id, state.trigger_value = button, True
        self.connection.send(message.SerializeToString())
        self.buttons, self.errors, self.words = {}, [], []
        while True:
            answer = ForwardMsg()
            answer.ParseFromString(bytes(self.connection.recv(timeout=120)))  # type: ignore[arg-type]
            kind = answer.WhichOneof("type")
            if kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                self.see(answer.delta.new_element)
            elif kind == "auth_redirect":
                self.sent_to = answer.auth_redirect.url
            elif kind == "script_finished":
                return self

    def see(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "button":
            self.buttons[element.button.id.split("-", 2)[2]] = element.button.id  # $$ID-digest-key
        elif kind == "alert":
            self.errors.append(element.alert.body.replace("\\", ""))
        elif kind == "markdown":
            self.words.append(element.markdown.body.replace("\\", ""))


@contextmanager
def visitor(address: str, cookies: Mapping[str, str]) -> Iterator[Visitor]:
    """A session with the cookies of somebody."""
    jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
    with connect(
        f"{address.replace('http', 'ws', 1)}/_stcore/stream",
        additional_headers={"Cookie": jar},
        origin=address,  # type: ignore[arg-type]
        subprotocols=["streamlit", cookies[XSRF]],  # type: ignore[list-item]
        max_size=None,
    ) as connection:
        yield Visitor(connection)


def signed_in(address: str, name: str) -> dict[str, str]:
    """The cookies of somebody who presses the button to sign in and chooses this name at the provider of tests/oidc.py."""
    with httpx.Client(base_url=address, follow_redirects=True) as client:
        client.get("/_stcore/host-config").raise_for_status()
        client.get("/_stcore/health").raise_for_status()
        with visitor(address, dict(client.cookies)) as stranger:
            button = stranger.open().buttons["sign-in.None"]
            provider = client.get(stranger.open(pressed=[button]).sent_to)
        client.get(str(provider.url.copy_with(path="/signed").copy_set_param("as", name))).raise_for_status()
        return dict(client.cookies)
