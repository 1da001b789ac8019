"""What OpenTelemetry's own SDK collects of calls; and observers that plugins give."""

from __future__ import annotations

import logging
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from segue import Attempt, Chain, Client, Hedge, Observer, ProviderError, Retry, Timeout
from segue.plugin import hookimpl
from segue.plugins.registry import Registry
from segue.telemetry import Telemetry
from segue.testing import Cut, OpenAIHost, Stall, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

    from opentelemetry.sdk.trace import ReadableSpan

KEY, QUESTION, WHOLE = "canary-key-0123456789", "canary question", "one two three four five"


class Collected:
    """Everything that is collected of one client's calls."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        self.tracing = TracerProvider()
        self.tracing.add_span_processor(SimpleSpanProcessor(self._spans))
        meters = MeterProvider(metric_readers=[self._metrics])
        self.observer = Telemetry(tracer_provider=self.tracing, meter_provider=meters)

    def client(self, *hosts: OpenAIHost, **options: Any) -> Client:
        """A client of these hosts, named a, b, …"""
        rows: dict[str, Any] = {
            name: {
                "wire": "openai_chat", "base_url": host.url, "models": ["m"], "api_key": KEY,
                "capabilities": {"prefill": True, "input_price": 1.0, "output_price": 2.0},
            }
            for name, host in zip("abc", hosts, strict=False)
        }  # fmt: skip
        options = {"retry": Retry(count=0), "observers": [self.observer], **options}
        return Client(config={"providers": rows}, plugins=False, environ={}, **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that have ended, in the order of their attempts."""
        return sorted(self._spans.get_finished_spans(), key=lambda span: told(span)["segue.attempt.number"])

    def points(self, name: str) -> list[Any]:
        """The points of a metric."""
        data = self._metrics.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def everything(self) -> str:
        """All that was collected, as text."""
        data = self._metrics.get_metrics_data()
        return " ".join(span.to_json() for span in self.spans) + ("" if data is None else data.to_json())


def told(span: ReadableSpan) -> Mapping[str, Any]:
    """A span's attributes."""
    assert span.attributes is not None
    return span.attributes


async def test_each_attempt_is_a_span() -> None:
    """A failed one and the one that answered: names, settings, address, outcome, tokens and cost by the conventions."""
    collected = Collected()
    async with OpenAIHost(script=[Status(503)]) as one, OpenAIHost(answer=WHOLE) as other:
        async with collected.client(one, other) as client:
            await client.chat(QUESTION, chain=Chain("a/m", "b/m"), temperature=0.5, max_tokens=50)
    failed, answered = collected.spans
    assert (failed.name, failed.kind, failed.status.status_code) == ("chat m", SpanKind.CLIENT, StatusCode.ERROR)
    assert told(failed)["error.type"] == "OverloadedError"
    assert told(failed)["segue.error.phase"] == "headers"
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "b",
        "gen_ai.request.model": "m",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.stream": False,
        "gen_ai.output.type": "text",
        "server.address": "127.0.0.1",
        "segue.attempt.number": 2,
        "segue.attempt.way": "next",
        "segue.outcome": "answered",
    }
    assert expected.items() <= told(answered).items()
    assert told(answered)["segue.call"] == told(failed)["segue.call"]
    assert told(answered)["server.port"] == int(other.url.rpartition(":")[2].partition("/")[0])
    assert told(answered)["gen_ai.usage.output_tokens"] > 0
    assert told(answered)["segue.cost"] > 0
    assert answered.status.status_code == StatusCode.UNSET


async def test_spans_stand_under_the_callers() -> None:
    """The parent of each is the span in which the call was made."""
    collected = Collected()
    async with OpenAIHost(answer=WHOLE) as host, collected.client(host) as client:
        with collected.tracing.get_tracer("mine").start_as_current_span("mine"):
            await client.chat(QUESTION, model="a/m")
    (call,) = [span for span in collected._spans.get_finished_spans() if span.name == "chat m"]
    (mine,) = [span for span in collected._spans.get_finished_spans() if span.name == "mine"]
    assert call.parent is not None
    assert mine.context is not None
    assert call.parent.span_id == mine.context.span_id


async def test_what_is_counted() -> None:
    """Durations, times until the first content, tokens by kind, fallbacks by way, and breakers."""
    collected = Collected()
    async with OpenAIHost(script=[Cut(600)]) as one, OpenAIHost(answer=WHOLE) as other:
        async with collected.client(one, other) as client:
            async with client.stream(QUESTION, chain=Chain("a/m", "b/m")) as stream:
                await stream.reply()
    assert {point.attributes.get("error.type") for point in collected.points("gen_ai.client.operation.duration")} == {
        "StreamBrokenError", None,
    }  # fmt: skip
    assert len(collected.points("gen_ai.client.operation.time_to_first_chunk")) == 2
    kinds = {point.attributes["gen_ai.token.type"] for point in collected.points("gen_ai.client.token.usage")}
    assert kinds == {"input", "output"}
    (fallback,) = collected.points("segue.fallbacks")
    assert (fallback.value, fallback.attributes["segue.attempt.way"]) == (1, "continue")


async def test_every_outcome_ends_its_span() -> None:
    """One that lost a race, one that was left by its caller, and one that was skipped."""
    collected = Collected()
    async with OpenAIHost(script=[Stall("headers")]) as one, OpenAIHost(answer=WHOLE) as other:
        async with collected.client(one, other, timeout=Timeout(first_event=30)) as client:
            await client.chat(QUESTION, chain=Chain("a/m", "b/m", hedge=Hedge(after=0.0)))
            async with client.stream(QUESTION, model="b/m") as stream:
                await anext(aiter(stream))
    assert sorted(told(span)["segue.outcome"] for span in collected.spans) == ["abandoned", "answered", "lost"]
    assert collected.observer._spans == {}


async def test_a_skipped_one_is_a_span_and_a_breaker_is_counted() -> None:
    """Who is left alone has a span that says so, and counts for no duration."""
    from segue import Breaker

    collected = Collected()
    async with OpenAIHost(script=[Status(500)]) as host:
        async with collected.client(host, breaker=Breaker(failures=1)) as client:
            for _ in range(2):
                with pytest.raises(ProviderError):
                    await client.chat(QUESTION, model="a/m")
    assert [told(span)["segue.outcome"] for span in collected.spans] == ["failed", "skipped"]
    assert sum(point.count for point in collected.points("gen_ai.client.operation.duration")) == 1
    (change,) = collected.points("segue.circuit.changes")
    assert change.attributes["segue.circuit.state"] == "open"


async def test_no_content_and_no_key_is_collected(caplog: pytest.LogCaptureFixture) -> None:
    """Neither what was asked nor what was answered nor a key stands in spans, metrics or the log."""
    collected = Collected()
    with caplog.at_level(logging.DEBUG, logger="segue"):
        async with OpenAIHost(script=[Status(400, message=f"no: {KEY} {QUESTION}")]) as one, OpenAIHost() as other:
            async with collected.client(one, other) as client:
                with pytest.raises(ProviderError):
                    await client.chat(QUESTION, model="a/m")
                await client.chat(QUESTION, model="b/m", extra_headers={"x-mine": "canary header"})
    assert "chat m" in collected.everything()
    assert "canary" not in collected.everything()
    assert "BadRequestError" in caplog.text
    assert "canary" not in caplog.text


def test_nothing_of_it_is_imported_unasked() -> None:
    """A client imports no OpenTelemetry; without it telemetry says what to install."""
    code = (
        "import sys; from segue import Client; Client(config=False, plugins=False, environ={});"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules);"
        "sys.modules['opentelemetry'] = None\n"
        "try:\n    import segue.telemetry\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "ConfigError telemetry needs the package opentelemetry-api: pip install opentelemetry-api\n"


# ── observers of plugins ─────────────────────────────────────────────────────────────────────────────


class Counting(Observer):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def attempt_ended(self, attempt: Attempt, /) -> None:
        """One more."""
        self.ended.append(attempt.outcome)


def plugin(monkeypatch: pytest.MonkeyPatch, *given: object) -> EntryPoint:
    """A plugin that gives these observers, and no provider."""
    from importlib.metadata import EntryPoint

    module = ModuleType("zoo_of_observers")

    @hookimpl
    def segue_observers() -> object:
        return list(given)

    vars(module).update(segue_observers=segue_observers)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return EntryPoint("watching", module.__name__, "segue")


async def test_a_plugin_may_observe_every_client(monkeypatch: pytest.MonkeyPatch, plugins_here: Any) -> None:
    """What a plugin gives is told beside the client's own observers, without a provider of its own."""
    theirs, mine = Counting(), Counting()
    entry = plugin(monkeypatch, theirs)
    plugins_here([entry])
    async with OpenAIHost(answer=WHOLE) as host:
        rows = {"a": {"wire": "openai_chat", "base_url": host.url, "models": ["m"]}}
        async with Client(config={"providers": rows}, environ={}, observers=[mine]) as client:
            await client.chat(QUESTION, model="a/m")
    assert (theirs.ended, mine.ended) == (["answered"], ["answered"])


@pytest.mark.parametrize("wrong", [object(), Counting, None, "text"])
def test_what_is_no_observer_breaks_its_own_plugin(wrong: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that gives something else is broken by its name, and nothing of it is kept."""
    registry = Registry(entries=[plugin(monkeypatch, Counting(), wrong)])
    (broken,) = registry.broken
    assert broken.name == "watching"
    assert "is not an observer: it has no attempt_started" in str(broken.error)
    assert registry.hooks.observers == ()


def test_a_skipped_attempt_says_so_once() -> None:
    """Its phase is its outcome, which is not repeated."""
    error = ProviderError("not tried", phase="skipped", provider="a")
    assert str(Attempt("a", "m", "skipped", 0.0, error=error)) == "a/m skipped: ProviderError: not tried, 0 ms"
