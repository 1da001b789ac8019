"""What a host may quote in an error: a short key, its base64, a word of the prompt; and codes that end retries."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from segue import (
    AllFailedError,
    AuthenticationError,
    Chain,
    Client,
    HTTPError,
    PermissionDeniedError,
    QuotaExhaustedError,
    RateLimitError,
    Retry,
    SegueError,
)  # fmt: skip
from segue.errors import ErrorFields, http_error
from segue.plugin import Host
from segue.testing import OpenAIHost, Status
from segue.wire.blotting import blotted, secrets_of

KEY = "sk-Canary0123456789abcdef"
PROMPT = "Patient canary-4711 has a headache"


def client_of(*hosts: OpenAIHost, **given: Any) -> Client:
    rows = [Host(name, host.url, models=["m", "n"], **given) for name, host in zip("ab", hosts, strict=False)]
    return Client(providers=rows, plugins=False, config=False, environ={}, retry=Retry(count=2, base=0.0))


async def _failed(client: Client, call: str, **asking: Any) -> HTTPError:
    async def ask() -> None:
        if call == "embed":
            await client.embed(PROMPT, model="a/m", **asking)
        elif call == "stream":
            await client.stream(PROMPT, model="a/m", **asking).reply()
        else:
            await client.chat([{"role": "user", "content": [{"type": "text", "text": PROMPT}]}], model="a/m", **asking)

    with pytest.raises(HTTPError) as caught:
        await ask()
    return caught.value


def _said(error: HTTPError) -> str:
    return f"{error!r} {error} {error.args} {error.body} {error.host_message} {error.__notes__} {error.code}"


@pytest.mark.parametrize("call", ["chat", "stream", "embed"])
@pytest.mark.parametrize("key", ["k1", "ab12", "abc123", "x7-key9", "abcdefg8"])
@pytest.mark.parametrize("header", ["x-acme", "x-tenant", "x-api-key"])
async def test_a_short_key_in_any_header_is_not_shown(header: str, key: str, call: str) -> None:
    """A short value of letters and digits is removed as a whole word; of two characters it is a part of any text."""
    async with OpenAIHost(script=[Status(400, message=f"unknown key {key}, or ({key})")]) as host:
        async with client_of(host) as client:
            error = await _failed(client, call, extra_headers={header: key})
    assert (key in _said(error).split("unknown", 1)[1]) == (len(key) < 4)


@pytest.mark.parametrize("call", ["chat", "stream", "embed"])
@pytest.mark.parametrize("user", ["", "u:", "me:", "api:", "user:"])
async def test_the_base64_of_a_key_is_not_shown(user: str, call: str) -> None:
    """A host that shows the header of Basic authentication, or any base64 of the key, shows nothing of it here."""
    coded = base64.b64encode(f"{user}{KEY}".encode()).decode()
    script = [Status(400, message=f"Basic {coded} is wrong", code=coded)]
    async with OpenAIHost(script=script) as host, client_of(host, headers={"x-acme": KEY}) as client:
        error = await _failed(client, call)
    hidden = base64.b64decode(coded)[len(user) + 3 : -3]
    for form in (base64.b64encode, base64.urlsafe_b64encode):
        assert all(form(b"\0" * place + hidden).decode()[4:-4] not in _said(error) for place in range(3))


@pytest.mark.parametrize("text", ["see request req_011CVabcDEF4567", "model Qwen3-235B-A22B-Instruct-2507 is busy"])
def test_other_words_of_mixed_case_stay(text: str) -> None:
    """Only the base64 of the key itself is removed."""
    assert blotted(text, secrets_of(headers={"authorization": f"Bearer {KEY}"})) == text


def test_a_long_run_of_letters_costs_no_more_than_its_length() -> None:
    """Looking for base64 takes one pass: a body of one long word is as fast as any other."""
    assert blotted("a" * 200_000, [KEY]) == "a" * 200_000


@pytest.mark.parametrize("call", ["chat", "stream", "embed"])
@pytest.mark.parametrize("code", ["canary-4711", "Canary-4711", "headache", PROMPT, PROMPT.replace(" ", "_")])
async def test_a_word_of_the_prompt_is_not_a_code(code: str, call: str) -> None:
    """A host that puts what was asked into the code does not get it into `str()`, the log and spans."""
    async with OpenAIHost(script=[Status(400, code=code, message="no")]) as host, client_of(host) as client:
        error = await _failed(client, call)
    shown = f"{error!r} {error} {error.args} {error.code} {error.attempts}"
    if code != PROMPT.replace(" ", "_"):
        assert code.lower() not in shown.lower()
        assert str(error) == "a: HTTP 400"


async def test_a_known_code_stays_though_the_prompt_has_it() -> None:
    """A question about an error code does not hide that code."""
    async with OpenAIHost(script=[Status(429, code="insufficient_quota")]) as host, client_of(host) as client:
        with pytest.raises(QuotaExhaustedError, match="insufficient_quota"):
            await client.chat("What does insufficient_quota mean?", model="a/m")


@pytest.mark.parametrize("code", ["a b", "a" * 65, "-x", "ü", "a\nb", "(x)", "", "x'y"])
def test_what_is_not_a_code(code: str) -> None:
    """A code is one word of at most 64 characters."""
    error = http_error(400, ErrorFields(code=code))
    assert (error.code, str(error)) == (None, "HTTP 400")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "exceeded_current_quota", QuotaExhaustedError),
        (429, "exceeded_current_quota_error", QuotaExhaustedError),
        (429, "payment_required", QuotaExhaustedError),
        (429, "billing_not_active", QuotaExhaustedError),
        (400, "billing_hard_limit_reached", QuotaExhaustedError),
        (400, "Arrearage", QuotaExhaustedError),
        (402, "anything", QuotaExhaustedError),
        (403, "account_deactivated", PermissionDeniedError),
        (403, "account_suspended", PermissionDeniedError),
        (401, "account_deactivated", AuthenticationError),
    ],
)
@pytest.mark.parametrize("field", ["code", "type"])
async def test_an_account_that_cannot_pay_or_is_closed_is_asked_once(
    status: int, code: str, kind: type[HTTPError], field: str
) -> None:
    """It is not retried, and no other model of the same account is asked; the next host is."""
    refusal = Status(status, **{field: code}, retry_after="0")  # type: ignore[arg-type]
    async with OpenAIHost(script=[refusal] * 5) as host, OpenAIHost() as other:
        async with client_of(host, other) as client:
            reply = await client.chat("hi", chain=Chain("a/m", "a/n", "b/m"))
            with pytest.raises(SegueError) as caught:
                await client.chat("hi", chain=Chain("a/m", "a/n"))
    assert type(reply.attempts[0].error) is kind
    assert [attempt.outcome for attempt in reply.attempts] == ["failed", "skipped", "answered"]
    assert len(host.requests) == 2
    assert isinstance(caught.value, (kind, AllFailedError))


def test_a_mere_rate_limit_is_retried() -> None:
    """The other codes of 429 say that waiting helps."""
    error = http_error(429, ErrorFields(code="rate_limit_exceeded"))
    assert type(error) is RateLimitError
    assert error.retryable
