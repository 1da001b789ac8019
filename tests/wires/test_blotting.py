"""A credential that a call was sent with is taken out of what the host says, in whatever form it quotes it."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue import Client, SegueError
from segue.errors import HTTPError
from segue.plugin import Host
from segue.testing import Body, OpenAIHost, Status
from segue.wire import to_json
from segue.wire.blotting import blot, blotted, secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "canary+key/0123456789&abcdef=="

WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "PHP": lambda text: text.replace("/", "\\/"),
    "PHP in JSON": lambda text: json.dumps(text.replace("/", "\\/"))[1:-1],
    ".NET": lambda text: "".join(f"\\u{ord(one):04X}" if one in "+&=/" else one for one in text),
    "address": lambda text: quote(text, safe=""),
    "small address": lambda text: quote(text, safe="").lower(),
    "HTML": html.escape,
    "HTML by numbers": lambda text: text.replace("+", "&#43;").replace("/", "&#x2F;"),
    "upper case": str.upper,
    "lower case": str.lower,
    "address in upper case": lambda text: quote(text, safe="").upper(),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_a_credential_is_found_however_it_is_written(form: str) -> None:
    """A host may write it as JSON, HTML or an address does."""
    written = WRITTEN[form](KEY)
    text = blotted(f"bad {written}, and again {written}.", [KEY])
    assert text == "bad …, and again …."


RANDOM = "0a1B2c3D4e5F6a7B8c9D0e1F2a3B4c5D"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"bad key {RANDOM[:8]}…{RANDOM[-4:]}", f"bad key {RANDOM[:8]}…{RANDOM[-4:]}"),
        (f"bad key {RANDOM[:11]}***", f"bad key {RANDOM[:11]}***"),
        (f"bad key {RANDOM[:12]}***", "bad key …***"),
        (f"bad key {RANDOM[:-1]}", "bad key …"),
        (f"bad key …{RANDOM[10:]}", "bad key ……"),
        (f"bad key {RANDOM[4:20].upper()}...", "bad key …..."),
        (f"{RANDOM[:16]}\n{RANDOM[16:]}", "…\n…"),
    ],
)
def test_a_long_piece_of_a_random_key_is_taken_out(text: str, shown: str) -> None:
    """The beginning and the end that hosts show by custom may stay: so a person sees which key it was."""
    assert blotted(text, [RANDOM]) == shown


@pytest.mark.parametrize("short", ["none", "EMPTY", "test", "1234", "key", "k1", "a.b"])
def test_a_short_value_leaves_ordinary_text_as_it_is(short: str) -> None:
    """Keys that are none in truth, as local servers want one, are words and numbers of ordinary text."""
    told = "none of the keys is EMPTY: test 1234 at a.b, and the latest is key k1x and k10"
    assert blotted(told, [short]) == told


@pytest.mark.parametrize("text", ["bad key k3y-12.", "'k3y-12' is wrong", "k3y-12"])
def test_a_short_key_is_taken_out_as_a_word(text: str) -> None:
    """Letters and digits together are rarely a word."""
    assert blotted(text, ["k3y-12"]) == text.replace("k3y-12", "…")


SENT: dict[str, tuple[dict[str, Any], str]] = {
    "key of any name": ({"headers": {"x-acme-key": KEY}}, KEY),
    "name that tells nothing": ({"headers": {"x-acme": KEY}}, KEY),
    "bearer": ({"headers": {"Authorization": f"Bearer {KEY}"}}, KEY),
    "short key": ({"headers": {"X-API-Key": "k3y-12"}}, "k3y-12"),
    "another scheme": ({"headers": {"authorization": f"Token {KEY}"}}, KEY),
    "basic": ({"headers": {"authorization": "Basic " + base64.b64encode(b"me:pass-word").decode()}}, "pass-word"),
    "basic as sent": (
        {"headers": {"authorization": "Basic " + base64.b64encode(b"me:pass-word").decode()}},
        base64.b64encode(b"me:pass-word").decode(),
    ),
    "signature": ({"headers": {"authorization": "AWS4 Credential=AKIA, Signature=0a1b2c3d4e5f"}}, "0a1b2c3d4e5f"),
    "cookie": ({"headers": {"cookie": "theme=dark; session=0a1b2c3d4e5f"}}, "0a1b2c3d4e5f"),
    "query": ({"url": "http://a.example/v1?alt=sse&key=0a1b2c3d"}, "0a1b2c3d"),
    "query of another name": ({"url": "http://a.example/v1?code=0a1b2c3d4e5f6a7b8c9d0e"}, "0a1b2c3d4e5f6a7b8c9d0e"),
    "password in the address": ({"url": "http://me:pass-word@a.example/v1"}, "pass-word"),
    "password in the address as sent": (
        {"url": "http://me:pass%2Dword@a.example/v1"}, base64.b64encode(b"me:pass-word").decode(),
    ),
    "referer": ({"headers": {"Referer": "https://app.example/?token=0a1b2c3d"}}, "0a1b2c3d"),
    "user agent": ({"headers": {"user-agent": f"app/1.0 (key={RANDOM})"}}, RANDOM),
    "user agent, bare": ({"headers": {"user-agent": f"app/1.0 {RANDOM}"}}, RANDOM),
    "title": ({"headers": {"x-title": "My app, api_key=0a1b2c3d"}}, "0a1b2c3d"),
}  # fmt: skip


@pytest.mark.parametrize("how", SENT)
def test_what_holds_a_credential_is_known(how: str) -> None:
    """A header of any name, a part of one, a parameter, a password."""
    sent, secret = SENT[how]
    assert blotted(f"you sent {secret} to us", secrets_of(**sent)) == "you sent … to us"


def test_what_holds_none_is_left() -> None:
    """What says how something is sent may be quoted, and so may a scheme."""
    headers = {
        "content-type": "application/json", "accept": "text/event-stream",
        "user-agent": "segue/0.2.0 HeadlessChrome/120.0.6099.109",
        "anthropic-version": "2023-06-01", "openai-organization": "org-0123456789", "authorization": f"Bearer {KEY}",
        "x-flag": "on", "x-name": "An app of mine", "x-title": "An app", "http-referer": "https://app.example/?page=2",
    }  # fmt: skip
    told = "HeadlessChrome/120.0.6099.109 https://app.example/?page=2 An app "
    told += "application/json text/event-stream segue/0.2.0 2023-06-01 org-0123456789 Bearer on of mine 2024-10-21 sse"
    assert blotted(told, secrets_of(url="http://a.example/v1?api-version=2024-10-21&alt=sse", headers=headers)) == told


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60), st.integers(180, 400))
def test_a_credential_that_was_cut_is_taken_out(key: str, kept: int) -> None:
    """What is kept of a body may end in the middle of it: no more of it stays than stands in any word."""
    text = blotted((" " * 200 + key + " " * 400)[:kept], [key])
    assert key[:4] not in text


@given(st.text(), st.lists(st.text(max_size=12), max_size=3))
def test_any_text_can_be_blotted(text: str, secrets: list[str]) -> None:
    """Whatever a host says and whatever a header holds; empty ones are nothing."""
    blotted(text, secrets)
    secrets_of(url=text, headers={"x-key": text, "authorization": text})


def test_all_that_an_error_tells_of_a_host_is_blotted() -> None:
    """Its body and code, its message and its notes, the id of the request."""
    error = HTTPError(f"HTTP 401 ({KEY})", code=KEY, body=f"bad {KEY}", request_id=f"req-{KEY}")
    error.host_message = f"bad {KEY.upper()}"
    error.add_note(f"the host says: {KEY}")
    blot(error, [KEY])
    assert KEY.lower() not in f"{error!r} {vars(error)}".lower()


ANSWERS: dict[str, Callable[[str], Any]] = {
    "status": lambda told: Status(401, message=told),
    "code": lambda told: Status(400, code=told),
    "plain": lambda told: Status(500, body=told.encode(), headers={"content-type": "text/plain"}),
    "other case": lambda told: Status(401, message=told.upper()),
    "request id": lambda told: Status(401, headers={"x-request-id": told}),
    "200": lambda told: Body(to_json({"error": {"message": told}})),
    "long": lambda told: Status(401, message="x" * 1960 + told),
    "stream": lambda told: Body(
        b"data: " + to_json({"error": {"message": "x" * 1950 + told}}) + b"\n\n",
        headers={"content-type": "text/event-stream"},
    ),
}
PLACES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "key": ({"env": ["A_KEY"]}, {"api_keys": {"a": KEY}}, {}),
    "header of the row": ({"headers": {"x-acme-key": KEY}}, {}, {}),
    "header of the call": ({}, {}, {"extra_headers": {"x-acme": KEY}}),
    "body of the call": ({}, {}, {"extra_body": {"user_token": KEY}}),
    "parameter": ({"base_url_env": "A_URL"}, {}, {}),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("way", ["chat", "stream", "embed"])
async def test_no_error_holds_the_credential_that_a_call_was_sent_with(way: str, answer: str, place: str) -> None:
    """Wherever it was put, and however the host tells that something is wrong."""
    row, given, asking = PLACES[place]
    async with OpenAIHost() as host:
        host.does(ANSWERS[answer](f"you sent {KEY}"), times=None)
        environ = {"A_URL": f"{host.url}?key={quote(KEY, safe='')}"} if row.get("base_url_env") else {}
        one = Host("a", host.url, models=["m"], **row)
        async with Client(providers=[one], plugins=False, config=False, environ=environ, **given) as client:
            with pytest.raises(SegueError) as caught:  # noqa: PT012 - one of three ways to ask
                if way == "embed":
                    await client.embed("hello", model="a/m", **asking)
                elif way == "chat":
                    await client.chat("hello", model="a/m", **asking)
                else:
                    async with client.stream("hello", model="a/m", **asking) as stream:
                        await stream.reply()
    told = f"{vars(caught.value)} {caught.value!r} {caught.value}"
    assert "canary" not in told.lower()
    assert KEY[:8].lower() not in told.lower()
