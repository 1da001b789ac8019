"""Faults that a status or a head tells, F35 to F47 of the catalogue."""

from __future__ import annotations

import asyncio
import email.utils
import time
from typing import TYPE_CHECKING, Any

import pytest
from matrix import (
    KEYS,
    NO_RETRY,
    PLACES,
    SHORT,
    WHOLE,
    Fault,
    Host,
    RawHost,
    check,
    check_retried,
    client_of,
    meet,
)

from segue import (
    AuthenticationError,
    BadRequestError,
    Client,
    ConnectError,
    ContentFilterError,
    ContextLengthError,
    HTTPError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    PhaseTimeoutError,
    ProtocolError,
    QuotaExhaustedError,
    RateLimitError,
    RequestTooLargeError,
    Retry,
    ServerError,
    Timeout,
)
from segue.errors import AllFailedError, ProviderError
from segue.testing import Answer, Body, Raw, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matrix import Met, Place

    from segue.chain.attempt import Run
    from segue.testing.loopback import Connection

both = pytest.mark.parametrize("stream", [True, False], ids=["stream", "chat"])
places = pytest.mark.parametrize("place", PLACES)


def refusing(status: int, **fields: Any) -> Callable[[bool], Host]:
    """A host that answers everything so."""
    return lambda _: Host(script=[Status(status, **fields)])


def refused(
    status: int, error: type[ProviderError], *, goes_on: bool = True, retried: bool = False, **fields: Any
) -> Fault:
    """The fault of such a host."""
    return Fault(f"{status}", refusing(status, **fields), error, "headers", goes_on=goes_on, retried=retried)


# ── a clock that waits can be read from ──────────────────────────────────────────────────────────────


class Clock:
    """Moves the loop's time on in place of waiting, and notes each wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits: list[float] = []
        self.ahead = 0.0
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self.ahead)

    async def sleep(self, seconds: float) -> None:
        """Be there at once."""
        self.waits.append(seconds)
        self.ahead += seconds


class ClockedClient(Client):
    """A client whose pauses are the clock's."""

    clock: Clock

    def _run(self, *, whole: bool) -> Run:
        run = super()._run(whole=whole)
        run.sleep, run.random = self.clock.sleep, lambda: 0.0
        return run


def clocked(urls: Mapping[str, str], clock: Clock, *, retry: Retry = NO_RETRY, timeout: Timeout = SHORT) -> Client:
    """A client of these hosts on that clock."""
    rows = {
        name: {"wire": "openai_chat", "base_url": url, "models": ["m"], "api_key": KEYS[name]}
        for name, url in urls.items()
    }
    client = ClockedClient(config={"providers": rows}, plugins=False, environ={}, timeout=timeout, retry=retry)
    client.clock = clock
    return client


def outcomes(met: Met) -> list[tuple[str, str]]:
    """Who was asked or passed by, and what it came to."""
    return [(attempt.provider, attempt.outcome) for attempt in met.attempts]


# ── F35: too many requests ───────────────────────────────────────────────────────────────────────────

RESET = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12s"}
HINTS: dict[str, tuple[dict[str, str], float | None]] = {
    "seconds": ({"retry-after": "12"}, 12.0),
    "a fraction": ({"retry-after": "2.5"}, 2.5),
    "milliseconds": ({"retry-after-ms": "1500", "retry-after": "60"}, 1.5),
    "a reset": (RESET, 12.0),
    "zero": ({"retry-after": "0"}, 0.0),
    "a past date": ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    "nothing": ({}, None),
    "negative": ({"retry-after": "-5"}, None),
    "NaN": ({"retry-after": "nan"}, None),
    "infinite": ({"retry-after": "inf"}, None),
    "garbage": ({"retry-after": "soon, maybe"}, None),
    "empty": ({"retry-after": ""}, None),
    "31 years": ({"retry-after": "1e9"}, 1e9),
}


def limited(headers: Mapping[str, str]) -> Callable[[bool], Host]:
    """A host that always answers 429 with these headers."""
    return refusing(429, headers=headers)


@pytest.mark.parametrize("hint", HINTS)
@both
@places
async def test_f35_goes_on_at_once(hint: str, stream: bool, place: Place) -> None:
    """F35: whatever a 429 asks to wait, the next target is asked at once."""
    fault = Fault("F35", limited(HINTS[hint][0]), RateLimitError, "headers")
    await check(fault, stream=stream, place=place)


@pytest.mark.parametrize("hint", HINTS)
@both
async def test_f35_a_single_target_is_waited_for(hint: str, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """F35: where nobody else is left the host's own wait is kept to; nonsense is none; beyond the cap nobody waits."""
    headers, seconds = HINTS[hint]
    clock = Clock(monkeypatch)
    async with Host(answer=WHOLE, script=[Status(429, headers=headers), Answer()]) as host:
        async with clocked({"faulty": host.url}, clock, retry=Retry(count=1, cap=30.0)) as client:
            met = await meet(client, ["faulty"], stream=stream)
        failed = met.attempts[0].error
        assert failed is not None
        assert failed.retry_after == seconds
        if seconds is not None and seconds > 30.0:
            assert isinstance(met.error, RateLimitError)
            assert (clock.waits, len(host.requests), met.error.retry_after) == ([], 1, seconds)
            return
        assert (met.whole, len(host.requests)) == (WHOLE, 2)
        assert sum(clock.waits) == pytest.approx(seconds or 0.0, abs=0.5)
        assert all(0 <= wait <= 30 for wait in clock.waits)


async def test_f35_a_date_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """F35: a date to come is a wait until then."""
    clock = Clock(monkeypatch)
    date = email.utils.formatdate(time.time() + 20, usegmt=True)
    async with Host(answer=WHOLE, script=[Status(429, retry_after=date), Answer()]) as host:
        async with clocked({"faulty": host.url}, clock, retry=Retry(count=1)) as client:
            met = await meet(client, ["faulty"], stream=False)
    assert met.whole == WHOLE
    assert sum(clock.waits) == pytest.approx(20, abs=3)


@both
async def test_f35_a_wait_beyond_the_deadline_is_not_begun(stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """F35: a host that wants to be left alone for longer than the call may last fails it at once."""
    clock = Clock(monkeypatch)
    async with Host(script=[Status(429, retry_after="12")]) as host:
        limits = Timeout(total=5.0)
        async with clocked({"faulty": host.url}, clock, retry=Retry(count=3), timeout=limits) as client:
            met = await meet(client, ["faulty"], stream=stream)
    assert isinstance(met.error, RateLimitError)
    assert (met.error.retry_after, clock.waits, len(host.requests)) == (12.0, [], 1)


@pytest.mark.parametrize("seconds", ["12", "50", "1e9"])
@both
async def test_f35_a_host_that_asked_for_it_is_left_alone(
    seconds: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F35: the next calls go past the host until its time is over, at most an hour, and then it is asked again."""
    clock = Clock(monkeypatch)
    script = [Status(429, retry_after=seconds), Answer()]
    async with Host(answer=WHOLE, script=script) as host, Host(answer=WHOLE) as last:
        async with clocked({"faulty": host.url, "last": last.url}, clock) as client:
            targets = ["faulty", "last"]
            first = await meet(client, targets, stream=stream)
            assert outcomes(first) == [("faulty", "failed"), ("last", "answered")]
            clock.ahead += min(float(seconds), 3600.0) - 3.0
            second = await meet(client, targets, stream=stream)
            assert outcomes(second) == [("faulty", "skipped"), ("last", "answered")]
            passed = second.attempts[0].error
            assert isinstance(passed, RateLimitError)
            assert passed.phase == "skipped"
            assert passed.retry_after is not None
            assert 0 < passed.retry_after <= 3.0
            clock.ahead += 4.0
            third = await meet(client, targets, stream=stream)
        assert outcomes(third) == [("faulty", "answered")]
        assert (len(host.requests), len(last.requests), clock.waits) == (2, 2, [])


@pytest.mark.parametrize("hint", ["nothing", "garbage", "negative", "NaN"])
async def test_f35_without_a_hint_the_host_comes_last_for_a_while(hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """F35: after a 429 without a readable wait the others are asked before that host, for five seconds."""
    clock = Clock(monkeypatch)
    script = [Status(429, headers=HINTS[hint][0]), Answer()]
    async with Host(answer=WHOLE, script=script) as host, Host(answer=WHOLE) as last:
        async with clocked({"faulty": host.url, "last": last.url}, clock) as client:
            targets = ["faulty", "last"]
            await meet(client, targets, stream=False)
            assert outcomes(await meet(client, targets, stream=False)) == [("last", "answered")]
            clock.ahead += 6.0
            assert outcomes(await meet(client, targets, stream=False)) == [("faulty", "answered")]


async def test_f35_all_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """F35: where every host asked to be left alone a call fails without a request, and says for how long."""
    clock = Clock(monkeypatch)
    hosts = [Host(script=[Status(429, retry_after=seconds)]) for seconds in ("50", "60")]
    async with hosts[0] as one, hosts[1] as other:
        async with clocked({"faulty": one.url, "last": other.url}, clock) as client:
            targets = ["faulty", "last"]
            await meet(client, targets, stream=False)
            met = await meet(client, targets, stream=False)
        assert isinstance(met.error, AllFailedError)
        waits = [error.retry_after for error in met.error.exceptions if isinstance(error, ProviderError)]
        assert waits == pytest.approx([50, 60], abs=3)
        assert outcomes(met) == [("faulty", "skipped"), ("last", "skipped")]
        assert (len(one.requests), len(other.requests)) == (1, 1)


# ── F36 to F39: what no waiting mends ────────────────────────────────────────────────────────────────

FINAL: dict[str, tuple[Fault, bool]] = {
    "F36 quota": (refused(429, QuotaExhaustedError, code="insufficient_quota"), True),
    "F36 quota with a wait": (refused(429, QuotaExhaustedError, code="insufficient_quota", retry_after="1"), True),
    "F36 spend limit": (refused(402, QuotaExhaustedError), True),
    "F36 billing": (refused(400, QuotaExhaustedError, type="billing_error"), True),
    "F37 unknown key": (refused(401, AuthenticationError), True),
    "F37 unknown key by code": (refused(400, AuthenticationError, code="invalid_api_key"), True),
    "F37 forbidden": (refused(403, PermissionDeniedError), True),
    "F38 no model": (refused(404, ModelNotFoundError), True),
    "F38 retired": (refused(410, ModelNotFoundError), True),
    "F38 no model by code": (refused(400, ModelNotFoundError, code="model_not_found"), True),
    "F39 bad request": (refused(400, BadRequestError, goes_on=False), False),
    "F39 cannot be processed": (refused(422, BadRequestError, goes_on=False), False),
    "F39 without a body": (refused(400, BadRequestError, goes_on=False, body=b""), False),
    "F39 with another body": (refused(400, BadRequestError, goes_on=False, body=b"<html>no</html>"), False),
    "F41 too large": (refused(413, RequestTooLargeError), False),
    "F42 filter": (refused(400, ContentFilterError, goes_on=False, code="content_filter"), False),
    "F42 policy": (refused(400, ContentFilterError, goes_on=False, code="content_policy_violation"), False),
}


@pytest.mark.parametrize("final", FINAL)
@both
@places
async def test_f36_to_f42_refusals(final: str, stream: bool, place: Place) -> None:
    """F36-F39, F41, F42: a refusal has its type, and asks the next target exactly where that may help."""
    await check(FINAL[final][0], stream=stream, place=place)


@pytest.mark.parametrize("final", FINAL)
@both
async def test_f36_to_f42_are_never_tried_again(final: str, stream: bool) -> None:
    """F36-F39, F41, F42: the same target is never asked again for a refusal."""
    await check_retried(FINAL[final][0], stream=stream)


@pytest.mark.parametrize("final", [name for name, (_, last) in FINAL.items() if last])
async def test_f36_to_f38_put_the_host_last_for_a_minute(final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """F36-F38: what refused this key or model is asked after the others for a minute, and then in its place."""
    clock = Clock(monkeypatch)
    async with FINAL[final][0].inject(False) as host, Host(answer=WHOLE) as last:
        async with clocked({"faulty": host.url, "last": last.url}, clock) as client:
            targets = ["faulty", "last"]
            await meet(client, targets, stream=False)
            assert outcomes(await meet(client, targets, stream=False)) == [("last", "answered")]
            clock.ahead += 61.0
            third = await meet(client, targets, stream=False)
    assert outcomes(third) == [("faulty", "failed"), ("last", "answered")]


async def test_f37_another_key_of_the_same_host_is_another_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """F36, F37: a refused key speaks against that key: another one at the same host keeps its place."""
    clock = Clock(monkeypatch)

    async def serve(host: RawHost, connection: Connection) -> None:
        received = await host.read(connection)
        body = b'{"id":"c","choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}'
        known = received.header["authorization"].endswith(KEYS["last"])
        await connection.write(b"HTTP/1.1 %b\r\n" % (b"200 OK" if known else b"401 No"))
        size = len(body) if known else 0
        await connection.write(b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (size, body[:size]))

    async with RawHost(serve) as host:
        async with clocked({"faulty": host.url, "last": host.url}, clock) as client:
            first = await meet(client, ["faulty", "last"], stream=False)
            second = await meet(client, ["faulty", "last"], stream=False)
    assert outcomes(first) == [("faulty", "failed"), ("last", "answered")]
    assert outcomes(second) == [("last", "answered")]


async def test_f37_a_host_that_says_the_key_again_is_not_repeated() -> None:
    """F37: a host that writes the key into its answer does not get it into the error."""
    said = f'{{"error":{{"message":"wrong key {KEYS["faulty"]}","code":"invalid_api_key"}}}}'.encode()
    fault = Fault("F37", refusing(401, body=said), AuthenticationError, "headers")
    await check(fault, stream=True, place="first")
    await check(fault, stream=False, place="middle")


# ── F40: the context ─────────────────────────────────────────────────────────────────────────────────

LONG: dict[str, Status] = {
    "by code": Status(400, code="context_length_exceeded"),
    "by another host's code": Status(400, code="too_many_prompt_tokens"),
    "413 by code": Status(413, code="context_length_exceeded"),
    "in prose": Status(
        400,
        type="invalid_request_error",
        message="This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
    ),
}


def with_contexts(urls: Mapping[str, str], contexts: Mapping[str, int | None]) -> Client:
    """A client of hosts whose models have these contexts."""
    rows: dict[str, Any] = {}
    for name, url in urls.items():
        rows[name] = {"wire": "openai_chat", "base_url": url, "models": ["m"], "api_key": KEYS[name]}
        if contexts[name] is not None:
            rows[name]["capabilities"] = {"context": contexts[name]}
    return Client(config={"providers": rows}, plugins=False, environ={}, timeout=SHORT, retry=NO_RETRY)


@pytest.mark.parametrize("long", LONG)
@pytest.mark.parametrize(("context", "asked"), [(8000, False), (4000, False), (None, False), (16_000, True)])
@both
async def test_f40_only_a_larger_context_helps(long: str, context: int | None, asked: bool, stream: bool) -> None:
    """F40: after a prompt that was too long only models that are known to take more are asked."""
    async with Host(script=[LONG[long]]) as host, Host(answer=WHOLE) as last:
        contexts = {"faulty": 8000, "last": context}
        async with with_contexts({"faulty": host.url, "last": last.url}, contexts) as client:
            met = await meet(client, ["faulty", "last"], stream=stream)
        assert len(last.requests) == asked
        assert len(host.requests) == 1
    assert isinstance(met.attempts[0].error, ContextLengthError)
    if asked:
        assert (met.error, met.whole) == (None, WHOLE)
    else:
        assert isinstance(met.error, ContextLengthError)
        assert outcomes(met) == [("faulty", "failed"), ("last", "skipped")]


@both
async def test_f40_in_the_middle(stream: bool) -> None:
    """F40: of three targets the one that is as small as the first is passed by, and the larger one answers."""
    async with Host(script=[LONG["by code"]]) as before, Host() as host, Host(answer=WHOLE) as last:
        contexts = {"before": 8000, "faulty": 8000, "last": 32_000}
        urls = {"before": before.url, "faulty": host.url, "last": last.url}
        async with with_contexts(urls, contexts) as client:
            met = await meet(client, list(urls), stream=stream)
        assert (len(before.requests), len(host.requests), len(last.requests)) == (1, 0, 1)
    assert outcomes(met) == [("before", "failed"), ("faulty", "skipped"), ("last", "answered")]
    assert met.whole == WHOLE


@pytest.mark.parametrize("context", [8000, 16_000])
async def test_f40_inside_a_stream(context: int) -> None:
    """F40: the same where the host says it inside a 200, before any text."""
    body = b'data: {"error":{"code":"context_length_exceeded","message":"long"}}\n\n'
    async with Host(script=[Body(body)]) as host, Host(answer=WHOLE) as last:
        contexts = {"faulty": 8000, "last": context}
        async with with_contexts({"faulty": host.url, "last": last.url}, contexts) as client:
            met = await meet(client, ["faulty", "last"], stream=True)
        assert len(last.requests) == (context > 8000)
    assert isinstance(met.attempts[0].error, ContextLengthError)


@both
async def test_f40_is_never_tried_again(stream: bool) -> None:
    """F40: the same target is never asked again for a prompt that was too long."""
    fault = Fault("F40", lambda _: Host(script=[LONG["by code"]]), ContextLengthError, "headers")
    await check_retried(fault, stream=stream)


# ── F42: content filters ─────────────────────────────────────────────────────────────────────────────

FILTERED: dict[str, Status | Answer] = {
    "refused": Status(400, code="content_filter"),
    "by the finish reason": Answer("", finish_reason="content_filter"),
}


@pytest.mark.parametrize("filtered", FILTERED)
@both
async def test_f42_asks_the_next_only_where_the_caller_says_so(filtered: str, stream: bool) -> None:
    """F42: a content filter asks the next target with reject="content_filter" alone."""
    async with Host(script=[FILTERED[filtered]]) as host, Host(answer=WHOLE) as last:
        async with client_of({"faulty": host.url, "last": last.url}) as client:
            left = await meet(client, ["faulty", "last"], stream=stream)
            assert len(last.requests) == 0
            met = await meet(client, ["faulty", "last"], stream=stream, reject="content_filter")
        assert (met.error, met.whole, len(last.requests)) == (None, WHOLE, 1)
    assert outcomes(met) == [("faulty", "failed"), ("last", "answered")]
    if isinstance(FILTERED[filtered], Status):
        assert isinstance(left.error, ContentFilterError)
    else:
        assert (left.error, left.whole) == (None, "")


@both
async def test_f42_a_models_own_refusal(stream: bool) -> None:
    """F42: a model's refusal is an answer, and asks the next target with reject="refusal" alone."""
    async with Host(script=[Answer(refusal="I would rather not")]) as host, Host(answer=WHOLE) as last:
        async with client_of({"faulty": host.url, "last": last.url}) as client:
            assert (await meet(client, ["faulty", "last"], stream=stream)).whole == ""
            met = await meet(client, ["faulty", "last"], stream=stream, reject="refusal")
    assert (met.error, met.whole) == (None, WHOLE)


# ── F43 to F45: passing states ───────────────────────────────────────────────────────────────────────

PASSING: dict[str, Fault] = {
    **{f"F43 {status}": refused(status, ServerError, retried=True) for status in (500, 502, 504, 507, 520, 599)},
    "F43 without a body": refused(500, ServerError, retried=True, body=b""),
    "F43 with a page": refused(502, ServerError, retried=True, body=b"<html>" + b"x" * 100_000),
    "F44 503": refused(503, OverloadedError, retried=True),
    "F44 529": refused(529, OverloadedError, retried=True),
    "F44 by code": refused(500, OverloadedError, retried=True, type="overloaded_error"),
    "F45 408": refused(408, BadRequestError, retried=True),
    "F45 409": refused(409, BadRequestError, retried=True),
    "F45 425": refused(425, BadRequestError, retried=True),
    "F45 the header": refused(500, ServerError, headers={"x-should-retry": "false"}),
    "F45 the header at 503": refused(503, OverloadedError, headers={"x-should-retry": "FALSE"}),
    "F45 the header at 409": refused(409, BadRequestError, headers={"x-should-retry": "false"}),
}


@pytest.mark.parametrize("passing", PASSING)
@both
@places
async def test_f43_to_f45_go_on(passing: str, stream: bool, place: Place) -> None:
    """F43-F45: a host's own trouble has its type, and the next target answers."""
    await check(PASSING[passing], stream=stream, place=place)


@pytest.mark.parametrize("passing", PASSING)
@both
async def test_f43_to_f45_are_tried_again(passing: str, stream: bool) -> None:
    """F43-F45: they are tried again where nobody else is left, but for a host that says no."""
    await check_retried(PASSING[passing], stream=stream)


async def test_f43_an_outage_multiplies_no_calls() -> None:
    """F43, F44: once the retries of all calls have used up what they share a failing host is asked once a call."""
    hosts = [Host(script=[Status(503)]), Host(script=[Status(500)])]
    async with hosts[0] as one, hosts[1] as other:
        rows: dict[str, Any] = {
            name: {"wire": "openai_chat", "base_url": host.url, "models": ["m"], "api_key": KEYS[name]}
            for name, host in (("faulty", one), ("last", other))
        }
        retry = Retry(count=5, base=0.0)
        config = {"providers": rows}
        async with Client(config=config, plugins=False, environ={}, retry=retry, breaker=None) as client:
            for _ in range(200):
                assert isinstance((await meet(client, ["faulty", "last"], stream=False)).error, AllFailedError)
        assert len(one.requests) + len(other.requests) == 400 + 10


# ── F46: redirects ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["other", "itself", "missing", "https"])
@both
@places
async def test_f46_a_redirect_is_not_followed(status: int, location: str, stream: bool, place: Place) -> None:
    """F46: a redirect is an HTTPError with its status, and not one byte goes to where it points."""
    async with Host() as second:
        where = {
            "other": {"location": f"{second.url}/chat/completions"},
            "itself": {"location": "/v1/chat/completions"},
            "missing": {},
            "https": {"location": second.url.replace("http:", "https:")},
        }[location]
        await check(refused(status, HTTPError, headers=where), stream=stream, place=place)
        assert second.connections == 0


@both
async def test_f46_is_not_tried_again(stream: bool) -> None:
    """F46: the same target is not asked again for a redirect, and its error has the status."""
    fault = refused(307, HTTPError, headers={"location": "/v2"})
    await check_retried(fault, stream=stream)
    async with fault.inject(stream) as host, client_of({"faulty": host.url}) as client:
        met = await meet(client, ["faulty"], stream=stream)
    assert isinstance(met.error, HTTPError)
    assert met.error.status == 307


# ── F47: heads that are none ─────────────────────────────────────────────────────────────────────────

HEADS: dict[str, tuple[bytes, type[ProviderError]]] = {
    "a field of 9 KiB": (b"HTTP/1.1 200 OK\r\nx-long: " + b"x" * 9216 + b"\r\n\r\n", ProtocolError),
    "a name of 9 KiB": (b"HTTP/1.1 200 OK\r\n" + b"x" * 9216 + b": y\r\n\r\n", ProtocolError),
    "200 fields": (
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(200)) + b"\r\n",
        ProtocolError,
    ),
    "a NUL": (b"HTTP/1.1 200 OK\r\nx-odd: a\x00b\r\ncontent-length: 0\r\n\r\n", ProtocolError),
    "a bell in a name": (b"HTTP/1.1 200 OK\r\nx\x07odd: a\r\ncontent-length: 0\r\n\r\n", ProtocolError),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n", ProtocolError),
    "no status": (b"HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n", ProtocolError),
    "another protocol": (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", ProtocolError),
    "two lengths": (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx", ProtocolError),
    "no length": (b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\nx", ProtocolError),
}


@pytest.mark.parametrize("head", HEADS)
@both
@places
async def test_f47_a_head_that_is_none(head: str, stream: bool, place: Place) -> None:
    """F47: a head that HTTP does not allow, or that is too large, is ProtocolError, and the next target answers."""
    data, error = HEADS[head]
    await check(Fault("F47", lambda _: Host(script=[Raw(data)]), error, "headers"), stream=stream, place=place)


@pytest.mark.parametrize(("status", "error"), [(600, ServerError), (999, ServerError)])
@both
@places
async def test_f47_a_status_that_is_none(status: int, error: Any, stream: bool, place: Place) -> None:
    """F47: a status beyond the known ones is the host's failure."""
    await check(refused(status, error), stream=stream, place=place)


async def flood(host: RawHost, connection: Connection) -> None:
    """Interim answers until the client leaves."""
    await host.read(connection)
    while True:
        await connection.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 8)


async def hints(host: RawHost, connection: Connection) -> None:
    """Some interim answers, and then a refusal."""
    await host.read(connection)
    await connection.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20)
    await connection.write(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


@both
@places
async def test_f47_a_flood_of_interim_answers(stream: bool, place: Place) -> None:
    """F47: interim answers without end are no answer: the limit until the first event holds."""
    limits = Timeout(first_event=1.0)
    fault = Fault("F47", lambda _: RawHost(flood), PhaseTimeoutError, "first_event", timeout=limits)
    await check(fault, stream=stream, place=place)


@both
@places
async def test_f47_interim_answers_are_passed_over(stream: bool, place: Place) -> None:
    """F47: interim answers change nothing of the one that follows them."""
    await check(Fault("F47", lambda _: RawHost(hints), OverloadedError, "headers"), stream=stream, place=place)


@both
async def test_f47_is_not_tried_again(stream: bool) -> None:
    """F47: a host that speaks no HTTP is not asked again."""
    raw = Raw(HEADS["another protocol"][0])
    await check_retried(Fault("F47", lambda _: Host(script=[raw]), ProtocolError, "headers"), stream=stream)


def _types(errors: Sequence[object]) -> list[str]:
    return [type(error).__name__ for error in errors]


async def test_f43_the_causes_stand_in_the_order_of_the_targets() -> None:
    """F35-F45: where all fail the error holds the last of each, in their order."""
    hosts = [Host(script=[Status(status)]) for status in (503, 429)]
    async with hosts[0] as one, hosts[1] as other:
        urls = {"before": one.url, "faulty": other.url, "last": "http://127.0.0.1:9/v1"}
        async with client_of(urls) as client:
            met = await meet(client, list(urls), stream=True)
    assert isinstance(met.error, AllFailedError)
    assert _types(met.error.exceptions) == ["OverloadedError", "RateLimitError", ConnectError.__name__]
