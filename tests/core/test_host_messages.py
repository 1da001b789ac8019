"""What a host says of a failure reaches a person, whatever wire it is said on, and stands nowhere else."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from segue import AllFailedError, Chain, Client, HTTPError, ProviderError, Retry, SegueError
from segue import Host as Row
from segue.display import shown_address, single_line
from segue.observation import Observer
from segue.testing import Answer, Body, OpenAIHost, ProxyHost, Status
from segue.wire import error_body
from segue.wire.failures import failure_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segue.observation import Attempt

KEY = "canary-0123456789abcdef"

BODIES = {
    "openai": ({"error": {"message": "Said.", "type": "invalid_request_error", "code": None}}, "Said."),
    "anthropic": ({"type": "error", "error": {"type": "overloaded_error", "message": "Said."}}, "Said."),
    "google": ({"error": {"code": 400, "message": "Said.", "status": "INVALID_ARGUMENT"}}, "Said."),
    "google, a list": ([{"error": {"code": 400, "message": "Said."}}], "Said."),
    "bedrock": ({"message": "Said."}, "Said."),
    "bedrock, capital": ({"Message": "Said.", "__type": "a#ValidationException"}, "Said."),
    "cohere": ({"id": "1", "message": "Said."}, "Said."),
    "mistral": ({"object": "error", "message": "Said.", "type": "invalid_model", "code": "1500"}, "Said."),
    "mistral, nested": (
        {"object": "error", "message": {"detail": [{"type": "missing", "loc": ["body", "n"], "msg": "Required"}]}},
        "body.n: Required",
    ),
    "ollama": ({"error": "Said."}, "Said."),
    "fastapi": ({"detail": "Said."}, "Said."),
    "fastapi, fields": (
        {"detail": [{"loc": ["body", "a", 0], "msg": "One", "input": "prompt"}, {"loc": ["body"], "msg": "Two"}]},
        "body.a.0: One; body: Two",
    ),
    "spring": ({"status": 404, "error": "Not Found", "message": "Said.", "path": "/x"}, "Said."),
    "oauth": ({"error": "invalid_grant", "error_description": "Said."}, "Said."),
    "cloudflare": ({"success": False, "errors": [{"code": 1, "message": "Said."}]}, "Said."),
    "minimax": ({"base_resp": {"status_code": 1004, "status_msg": "Said."}}, "Said."),
    "openrouter": (
        {"error": {"message": "Provider error", "metadata": {"raw": '{"error": {"message": "Said."}}'}}},
        "Provider error: Said.",
    ),
    "problem": ({"type": "about:blank", "title": "Bad", "detail": "Said."}, "Said."),
    "text in JSON": ("Said.", "Said."),
    "problem, fields": (
        {"title": "One or more errors.", "errors": {"Model": ["Required.", "Short."], "n": ["Bad."]}},
        "Model: Required., Short.; n: Bad.",
    ),
    "json:api": ({"errors": [{"status": "422", "title": "Invalid", "detail": "Said."}]}, "Said."),
    "a list of texts": ({"errors": ["One", "Two"]}, "One; Two"),
    "details": ({"error": {"code": 3, "details": [{"description": "Said."}]}}, "Said."),
    "details, a text": ({"error": "Bad Request", "details": "Said."}, "Said."),
    "google, fields": (
        {"error": {"code": 400, "details": [{"fieldViolations": [{"field": "a.b", "description": "Said."}]}]}},
        "a.b: Said.",
    ),
    "error_message": ({"error_message": "Said."}, "Said."),
    "errorMessage": ({"errorMessage": "Said.", "errorType": "Error"}, "Said."),
    "baidu": ({"error_code": 17, "error_msg": "Said."}, "Said."),
    "apigee": ({"fault": {"faultstring": "Said.", "detail": {"errorcode": "x"}}}, "Said."),
    "aws, an object": ({"Error": {"Code": "x", "Message": "Said."}}, "Said."),
    "elastic": ({"error": {"type": "x", "reason": "Said."}, "status": 400}, "Said."),
    "a message in an object": ({"message": {"text": "Said."}}, "Said."),
    "a message by language": ({"message": {"en": "Said."}}, "en: Said."),
    "fields in a message": ({"message": {"model": ["Said."]}}, "model: Said."),
    "JSON in a message": ({"error": {"message": '{"error": {"message": "Said."}}'}}, "Said."),
    "a whole answer": ({"model": "m", "message": {"role": "assistant", "content": "a prompt"}}, None),
    "an answer": ({"choices": [{"message": {"role": "assistant", "content": "a prompt"}}]}, None),
    "a number": (3, None),
    "deep": (json.loads('{"error":' * 40 + '"x"' + "}" * 40), None),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_sentence_of_each_body_is_read(name: str) -> None:
    """Of an answered failure, and of one that is told inside a stream, it is the same one."""
    body, said = BODIES[name]
    assert error_body.read(json.dumps(body).encode()).message == said
    if isinstance(body, dict):
        assert failure_of(body).host_message == said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"upstream request\ntimeout", "upstream request timeout"),
        (b"<!doctype html><title>\n 502 Bad&nbsp;Gateway </title><p>x", "502 Bad Gateway"),
        (b"<html><body>Welcome</body></html>", None),
        (b"<?xml version='1.0'?><Error><Code>A</Code><Message>Denied</Message></Error>", "Denied"),
        (b'event: error\ndata: {"error": {"message": "Said."}}\n\n', "Said."),
        ("cut in a lett\u00e9r".encode()[:-2], "cut in a lett"),
        (b"\xff\xfe\x00\x01", None),
        (bytes(range(128, 256)), None),
        (b"\xef\xbb\xbf" + b'{"error": {"message": "Said."}}', "Said."),
        ('{"error": {"message": "Said."}}'.encode("utf-16"), "Said."),
        ('{"message": "Café is closed."}'.encode("latin-1"), "Café is closed."),
        ("Café is closed.".encode("latin-1"), "Café is closed."),
        ("<title>Café</title>".encode("latin-1"), "Café"),
        (b"\xef\xbb\xbf<html><title>Bad Gateway</title>", "Bad Gateway"),
        (b"<!-- a --><html><title></title><body><h1>Forbidden</h1>", "Forbidden"),
        (b': ping\r\n\r\nid: 1\r\ndata: {"error": {"message": "Said."}}\r\n\r\n', "Said."),
        (b'data: {"id": "1"}\n\ndata: {"error": {"message": "Said."}}\n\n', "Said."),
        (b"event: error\ndata: Said.\n\n", "Said."),
        (b'{"status": "loading"}\n{"error": "Said."}\n', "Said."),
        (b'{"error": {"type": "x", "message": "Said \\"no\\".", "param": "cu', 'Said "no".'),
        (b"", None),
    ],
)
def test_a_body_that_is_not_json_is_read_as_text(body: bytes, said: str | None) -> None:
    """A plain text is the sentence, of a page it is the title, of a stream its error; other bytes have none."""
    assert error_body.read(body).message == said


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\r\ntwo\ttabs \x00\x07bell", "one two tabs bell"),
        ("\x1b[31;1mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x07 \x9b2Jclear \x1bcreset", "red link clear reset"),
        ("abc\u202edef\u2066ghi\u200f\u200b\ufeff\u2028end", "abcdefghi end"),
        ("x" * 400, "x" * 299 + "…"),
        ("\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e", "\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e"),
        ("\ud800lone", "lone"),
    ],
)
def test_a_line_steers_no_terminal(text: str, line: str) -> None:
    """It is one line of at most 300 characters, without sequences, bidirectional controls and invisible characters."""
    assert single_line(text) == line


@pytest.mark.parametrize("cut", range(290, 302))
def test_a_key_is_blotted_out_wherever_the_line_is_cut(cut: int) -> None:
    """Also where a part of it alone would have stayed, and where a control sequence parts it."""
    said = error_body.read(b"a" * (cut - 10) + b" " + KEY[:9].encode() + b"\x1b[0m" + KEY[9:].encode(), secrets=[KEY])
    assert said.message is not None
    assert "canary" not in said.message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:secret@host.example:8443/v1/chat?key=secret#secret", "https://host.example:8443/v1/chat"),
        ("http://[::1]:11434/api", "http://[::1]:11434/api"),
        ("https://host.example/a\u202eb\x1b[0m", "https://host.example/ab"),
        ("ftp://host/", None),
        ("http://[", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_shows_neither_user_nor_query(url: str | None, shown: str | None) -> None:
    """Scheme, host, port and path, and nothing of what is not an address."""
    assert shown_address(url) == shown


async def ask(client: Client, way: str, **target: Any) -> None:
    """Ask in one of the ways that there are."""
    if way == "embed":
        await client.embed("x", **target)
    elif way == "chat":
        await client.chat("x", **target)
    else:
        async with client.stream("x", **target) as stream:
            await stream.reply()


class Watching(Observer):
    """Keeps the attempts."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def attempt_ended(self, attempt: Attempt, /) -> None:
        self.attempts.append(attempt)


async def failure(url: str, model: str = "one/m", **more: Any) -> ProviderError:
    """What comes of asking a row at this address."""
    row = Row("one", url, models=["m"], env=("ONE_KEY",))
    async with Client(providers=[row], config=False, plugins=False, environ={"ONE_KEY": KEY}, **more) as client:
        with pytest.raises(ProviderError) as met:
            await client.chat("a question", model=model)
    return met.value


async def test_it_is_a_note_and_stands_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    """A traceback shows it; ``str``, ``repr``, ``args``, the record and the log do not."""
    caplog.set_level(logging.DEBUG, "segue")
    async with OpenAIHost(script=[Status(400, message="Said of a canary prompt.")]) as host:
        error = await failure(host.url)
    assert error.host_message == "Said of a canary prompt."
    assert "the host says: Said of a canary prompt." in "".join(traceback.format_exception(error))
    assert "Said" not in str(error) + repr(error) + repr(error.args) + str(error.attempts[0]) + caplog.text


STREAMED = b'data: {"error": {"message": "Said, with %s.", "code": "server_error"}}\n\n' % KEY.encode()


@pytest.mark.parametrize("kind", ["chat", "stream", "embed", "models", "probe"])
@pytest.mark.parametrize("shown", [True, False])
async def test_every_way_of_asking_shows_it_without_the_key(kind: str, *, shown: bool) -> None:
    """Also where the host tells of it inside an answer; and none does with ``host_messages=False``."""
    step = Status(400, message=f"Said, with {KEY}.") if kind != "stream" else Body(STREAMED)
    if kind == "embed":
        step = Body(STREAMED.removeprefix(b"data: "), content_type="application/json")
    watching = Watching()
    async with OpenAIHost(script=[step]) as host:
        row = Row("one", host.url, models=["m"], env=("ONE_KEY",))
        async with Client(
            providers=[row], config=False, plugins=False, environ={"ONE_KEY": KEY}, host_messages=shown,
            observers=[watching],
        ) as client:  # fmt: skip
            error: SegueError | None = None
            if kind == "models":
                error = (await client.live_models(provider="one")).failures["one"]
            elif kind == "probe":
                error = (await client.probe("one/m"))[0].error
            else:
                with pytest.raises(HTTPError) as met:
                    await ask(client, kind, model="one/m")
                error = met.value
    assert isinstance(error, HTTPError)
    told = "".join(traceback.format_exception(error)) + repr(
        [one.error and one.error.host_message for one in watching.attempts]
    )
    assert error.host_message == ("Said, with …." if shown else None)
    assert ("Said" in told) is shown
    assert KEY not in told


async def test_the_setting_of_the_file_leaves_it_out() -> None:
    """``host_messages = false`` is as the argument, which stands above it."""
    async with OpenAIHost(script=[Status(400, message="Said.")]) as host:
        config: Mapping[str, Any] = {
            "host_messages": False,
            "providers": {"own": {"wire": "openai_chat", "base_url": host.url, "models": ["m"]}},
        }
        for given, said in ((None, None), (True, "Said."), (False, None)):
            async with Client(config=config, plugins=False, host_messages=given) as client:
                with pytest.raises(HTTPError) as met:
                    await client.chat("x", model="own/m")
            assert met.value.host_message == said


async def test_what_was_said_to_one_call_is_not_said_to_another() -> None:
    """A call that a breaker refuses repeats the error of an earlier one, without what the host said there."""
    async with OpenAIHost(script=[Status(429, message="You wrote: a secret.", retry_after="60")]) as host:
        row = Row("one", host.url, models=["m"])
        async with Client(providers=[row], config=False, plugins=False, retry=Retry(count=0)) as client:
            errors = []
            for _ in range(2):
                with pytest.raises(ProviderError) as met:
                    await client.chat("x", model="one/m")
                errors.append(met.value)
        assert len(host.requests) == 1
    assert errors[0].host_message == "You wrote: a secret."
    assert errors[1].host_message is None
    assert "secret" not in "".join(traceback.format_exception(errors[1])) + getattr(errors[1], "body", "")


async def test_a_proxy_that_is_not_there_is_named_without_its_password() -> None:
    """The error has the address that was asked, and the password of the proxy is nowhere."""
    async with ProxyHost() as proxy:
        url = proxy.url
    error = await failure("http://127.0.0.1:9/v1", proxy=url.replace("http://", "http://me:canary-password@"))
    assert "http://127.0.0.1:9/v1/chat/completions" in str(error)
    assert "canary" not in "".join(traceback.format_exception(error))


# ── equal causes, and a key that was refused ─────────────────────────────────────────────────────────


def rows(url: str, *, models: int = 3) -> list[Row]:
    """One host twice, each with a key of its own."""
    names = [f"m{number}" for number in range(models)]
    return [Row("one", url, models=names, env=("ONE_KEY",)), Row("two", url, models=names, env=("TWO_KEY",))]


def asked_of(host: OpenAIHost) -> list[tuple[str, str]]:
    """Who asked for what."""
    return [(one.header["authorization"].split()[1], one.json["model"]) for one in host.requests]


ENVIRON = {"ONE_KEY": "key-of-one", "TWO_KEY": "key-of-two"}


@pytest.mark.parametrize(
    "refused",
    [Status(401, code="invalid_api_key"), Status(401), Status(402), Status(429, code="insufficient_quota")],
    ids=["key", "401", "402", "quota"],
)
@pytest.mark.parametrize("way", ["chat", "stream", "embed"])
async def test_a_refused_credential_is_tried_once(refused: Status, way: str) -> None:
    """Its other models are skipped, and the next credential is asked, in every way of asking."""
    async with OpenAIHost(script=[refused]) as host:
        async with Client(providers=rows(host.url), config=False, plugins=False, environ=ENVIRON) as client:
            chain = Chain(*(f"{name}/m{number}" for name in ("one", "two") for number in range(3)))
            with pytest.raises(AllFailedError) as met:
                await ask(client, way, chain=chain)
        assert asked_of(host) == [("key-of-one", "m0"), ("key-of-two", "m0")]
    error = met.value
    cause = str(error.exceptions[0].args[0])
    assert str(error) == f"all 6 candidates failed: one (3 models): {cause}; two (3 models): {cause}"
    assert [one.outcome for one in error.attempts] == ["failed", "skipped", "skipped"] * 2
    assert {one.error.phase for one in error.attempts if one.outcome == "skipped" and one.error} == {"skipped"}


@pytest.mark.parametrize("way", ["chat", "stream", "embed"])
@pytest.mark.parametrize("end", ["", "/"])
async def test_a_refused_key_is_not_tried_at_its_address_under_another_name(way: str, end: str) -> None:
    """Whatever the rows are called; another key at the address is tried."""
    async with OpenAIHost(script=[Status(401, code="invalid_api_key")]) as host:
        other = Row("three", host.url + end, models=["m0"], env=("THREE_KEY",))
        environ = {**ENVIRON, "THREE_KEY": ENVIRON["ONE_KEY"]}
        rows_ = [*rows(host.url), other]
        async with Client(providers=rows_, config=False, plugins=False, environ=environ) as client:
            with pytest.raises(AllFailedError) as met:
                await ask(client, way, chain=Chain("one/m0", "three/m0", "two/m0"))
        assert asked_of(host) == [("key-of-one", "m0"), ("key-of-two", "m0")]
    cause = str(met.value.exceptions[0].args[0])
    assert str(met.value) == (
        f"all 3 candidates failed: one/m0, and three with the same address and key: {cause}; two/m0: {cause}"
    )
    (skipped,) = (one.error for one in met.value.attempts if one.outcome == "skipped")
    assert isinstance(skipped, ProviderError)
    assert (skipped.refused_by, skipped.refused_for) == ("one", "m0")
    assert f"its key was refused for one/m0 at the same address ({cause})" in str(skipped)


async def test_a_refused_key_is_tried_at_another_address() -> None:
    """An address is another place, even on the same machine."""
    async with OpenAIHost(script=[Status(401)]) as host, OpenAIHost() as second:
        one, two = (
            Row(name, url, models=["m"], env=("ONE_KEY",)) for name, url in (("a", host.url), ("b", second.url))
        )
        async with Client(providers=[one, two], config=False, plugins=False, environ=ENVIRON) as client:
            reply = await client.chat("x", chain=Chain("a/m", "b/m"))
    assert reply.provider == "b"


async def test_another_credential_answers() -> None:
    """After a refused key the models of the next provider are asked as if nothing had been."""
    async with OpenAIHost(script=[Status(401), Answer("hello")]) as host:
        async with Client(providers=rows(host.url), config=False, plugins=False, environ=ENVIRON) as client:
            reply = await client.chat("x", chain=Chain("one/m0", "one/m1", "two/m1"))
        assert asked_of(host) == [("key-of-one", "m0"), ("key-of-two", "m1")]
    assert (reply.text, reply.provider, len(reply.attempts)) == ("hello", "two", 3)


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_a_refusal_of_the_model_does_not_stop_the_next_model(status: int) -> None:
    """Of a model, a region or a host's failure the key is not guilty."""
    async with OpenAIHost(script=[Status(status), Answer("hello")]) as host:
        async with Client(providers=rows(host.url), config=False, plugins=False, environ=ENVIRON) as client:
            reply = await client.chat("x", chain=Chain("one/m0", "one/m1"))
        assert len(host.requests) == 2
    assert reply.text == "hello"


async def test_the_next_call_tries_the_key_again() -> None:
    """A key may have been paid for, or replaced, meanwhile."""
    async with OpenAIHost(script=[Status(401), Answer("hello")]) as host:
        async with Client(providers=rows(host.url), config=False, plugins=False, environ=ENVIRON) as client:
            with pytest.raises(AllFailedError):
                await client.chat("x", chain=Chain("one/m0", "one/m1"))
            assert (await client.chat("x", chain=Chain("one/m0", "one/m1"))).text == "hello"


def test_equal_causes_are_told_once() -> None:
    """By provider, with how many models; where the path holds the model, the host alone is named."""

    def failed(provider: str, model: str, status: int, path: str = "") -> HTTPError:
        error = HTTPError(f"HTTP {status}", status=status)
        error.provider, error.model = provider, model
        error.address = f"https://{provider}.example{path}"
        return error

    errors = [failed("a", f"m{number}", 500) for number in range(20)]
    assert (
        str(AllFailedError("all 20 candidates failed", errors)) == "all 20 candidates failed: a (20 models): HTTP 500"
    )
    mixed = [failed("a", "m", 500), failed("b", "m", 404, "/m"), failed("a", "n", 500), failed("b", "n", 404, "/n")]
    assert str(AllFailedError("all 4 candidates failed", mixed)) == (
        "all 4 candidates failed: a (2 models): HTTP 500; b (2 models): HTTP 404: https://b.example"
    )
