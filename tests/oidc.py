"""An OpenID Connect provider for the tests, on this machine: discovery, sign-in page, tokens signed with RS256, keys."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "loupe", "not-a-secret-but-long-enough"
PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "viewer": {"sub": "1", "email": "viewer@example.org", "email_verified": True, "name": "Vera"},
    "engineer": {"sub": "2", "email": "Engineer@Example.org", "email_verified": True, "name": "Egon"},
    "impostor": {"sub": "3", "email": "engineer@example.org", "email_verified": False, "name": "Egon"},
    "member": {"sub": "4", "email": "member@example.org", "roles": ["reader", "engineer"]},
}


@dataclass
class Provider:
    """Who is asked by the app whether somebody is who they say."""

    address: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "tests", "use": "sig"}, private=True))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def discovery(self) -> dict[str, Any]:
        ends = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        return {
            "issuer": self.address,
            "jwks_uri": f"{self.address}/jwks",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
        } | {f"{name}_endpoint": f"{self.address}/{path}" for name, path in ends.items()}

    def choice(self, asked: Mapping[str, str]) -> str:
        """The sign-in page: one link for each person there is."""
        assert asked["client_id"] == CLIENT
        links = (f'<p><a href="/signed?{urlencode({**asked, "as": name})}">{name}</a></p>' for name in PEOPLE)
        return f"<!doctype html><title>Who are you?</title>{''.join(links)}"

    def back(self, asked: Mapping[str, str]) -> str:
        """Where the browser goes once somebody has signed in."""
        code = secrets.token_hex(8)
        self.codes[code] = dict(asked)
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def tokens(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """What the app gets for a code, once; it must prove that it is the one that asked (PKCE)."""
        about = self.codes.pop(asked["code"])
        hashed = (
            base64.urlsafe_b64encode(hashlib.sha256(asked["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        )
        assert hashed == about["code_challenge"]
        now = int(time.time())
        claims = {"iss": self.address, "aud": CLIENT, "iat": now, "exp": now + 600, "nonce": about["nonce"]}
        signed = jwt.encode({"alg": "RS256", "kid": "tests"}, claims | dict(PEOPLE[about["as"]]), self.key)
        return {"access_token": about["as"], "token_type": "Bearer", "expires_in": 600, "id_token": signed}


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlparse(self.path)
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path == "/.well-known/openid-configuration":
                self.answer(json.dumps(provider.discovery()))
            elif url.path == "/jwks":
                self.answer(json.dumps({"keys": [provider.key.as_dict(private=False)]}))
            elif url.path == "/userinfo":
                self.answer(json.dumps(PEOPLE[self.headers["Authorization"].removeprefix("Bearer ")]))
            elif url.path == "/authorize":
                self.answer(provider.choice(asked), "text/html")
            elif url.path == "/signed":
                self.send_response(302)
                self.send_header("Location", provider.back(asked))
                self.end_headers()
            else:
                self.answer("", "image/x-icon")

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.answer(json.dumps(provider.tokens({name: values[0] for name, values in parse_qs(sent).items()})))

        def answer(self, text: str, kind: str = "application/json") -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *about: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()


def settings(provider: Provider) -> str:
    """secrets.toml for an app on this machine; Streamlit fills in the port."""
    return f"""[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "{secrets.token_hex(16)}"
client_id = "{CLIENT}"
client_secret = "{SECRET}"
server_metadata_url = "{provider.address}/.well-known/openid-configuration"
"""
