"""Calls in OpenTelemetry: a span for each attempt, and metrics of all attempts.

Names and units follow the GenAI semantic conventions in ``opentelemetry-semantic-conventions`` 0.66b2. They are in
development, so a later version may rename them. Prompts and answers are never recorded.
Needs the package opentelemetry-api.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .constraints import NOTHING, Either, Methods, check, known_arguments
from .errors import ConfigError
from .observation import Observer

try:
    from opentelemetry import metrics, trace
    from opentelemetry.trace import SpanKind, Status, StatusCode
except ModuleNotFoundError as _missing:
    raise ConfigError("telemetry needs the package opentelemetry-api: pip install opentelemetry-api") from _missing

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from .messages import Request
    from .observation import Attempt, AttemptStart, CircuitChange, Fallback

Attributes = dict[str, Any]

_SCOPE: Final = "segue"
_SETTINGS: Final = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "top_k": "gen_ai.request.top_k",
    "max_tokens": "gen_ai.request.max_tokens",
    "seed": "gen_ai.request.seed",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "stop": "gen_ai.request.stop_sequences",
    "n": "gen_ai.request.choice.count",
}
_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS: Final = (
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
)  # fmt: skip
"""The bucket boundaries that the conventions recommend."""


_TRACERS: Final = Either(Methods("a TracerProvider", "get_tracer"), NOTHING)
_METERS: Final = Either(Methods("a MeterProvider", "get_meter"), NOTHING)


class Telemetry(Observer):
    """Pass it to a client: ``Client(observers=[Telemetry()])``. Without providers, the global ones are used.

    A span is a child of the span in which the call was made. ``error.type`` is the name of the error's class.
    ``segue.outcome`` and ``segue.attempt.way`` are the `Attempt`'s ``outcome`` and ``way``. ``segue.call`` is one
    number for all attempts of a call. A candidate that was skipped has a span of zero length.
    """

    @known_arguments("Telemetry")
    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        check("Telemetry", "tracer_provider", tracer_provider, _TRACERS)
        check("Telemetry", "meter_provider", meter_provider, _METERS)
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._durations = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "Duration of an attempt.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )  # fmt: skip
        self._firsts = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "Time until the first content.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )  # fmt: skip
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage", "{token}", "Tokens of an attempt, by kind.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )  # fmt: skip
        self._fallbacks = meter.create_counter(
            "segue.fallbacks", "{fallback}", "Attempts that followed another attempt."
        )
        self._circuits = meter.create_counter("segue.circuit.changes", "{change}", "State changes of breakers.")
        self._spans: dict[tuple[int, int], tuple[Span, Attributes]] = {}

    def attempt_started(self, start: AttemptStart, /) -> None:
        """Start a span."""
        about = _about(start.provider, start.model, start.request)
        if start.address is not None:
            host = urlsplit(start.address)
            about["server.address"] = host.hostname or ""
            if host.port is not None:
                about["server.port"] = host.port
        told = {**about, **_asked(start.request), "segue.call": start.call}
        self._spans[start.call, start.number] = (self._begun(about, told, start.number, start.way), about)

    def attempt_ended(self, attempt: Attempt, /) -> None:
        """End the span, and count the attempt."""
        known = self._spans.pop((attempt.call, attempt.number), None)
        if known is None:
            about = _about(attempt.provider, attempt.model, None)
            known = (self._begun(about, {**about, "segue.call": attempt.call}, attempt.number, attempt.way), about)
        span, about = known
        measured = dict(about)
        span.set_attribute("segue.outcome", attempt.outcome)
        if attempt.error is not None:
            measured["error.type"] = type(attempt.error).__name__
            span.set_attribute("error.type", measured["error.type"])
            span.set_attribute("segue.error.phase", attempt.error.phase)
        if attempt.outcome == "failed":
            span.set_status(Status(StatusCode.ERROR))
        if attempt.first_event is not None:
            span.set_attribute("gen_ai.response.time_to_first_chunk", attempt.first_event)
        if attempt.cost is not None:
            span.set_attribute("segue.cost", attempt.cost)
        self._count_tokens(attempt, span, about)
        span.end()
        if attempt.outcome != "skipped":
            self._durations.record(attempt.duration, measured)
            if attempt.first_event is not None:
                self._firsts.record(attempt.first_event, measured)

    def fell_back(self, fallback: Fallback, /) -> None:
        """Count the fallback by its way and by the outcome of the attempt before it."""
        told = {"gen_ai.provider.name": fallback.provider, "segue.attempt.way": fallback.way}
        if fallback.error is not None:
            told["error.type"] = type(fallback.error).__name__
        self._fallbacks.add(1, told)

    def circuit_changed(self, change: CircuitChange, /) -> None:
        """Count the change by the new state."""
        told = {"gen_ai.provider.name": change.provider, "gen_ai.request.model": change.model}
        self._circuits.add(1, {**told, "segue.circuit.state": change.after})

    def _begun(self, about: Attributes, told: Attributes, number: int, way: str | None) -> Span:
        told["segue.attempt.number"] = number
        if way is not None:
            told["segue.attempt.way"] = way
        name = f"{about['gen_ai.operation.name']} {about['gen_ai.request.model']}"
        return self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=told)

    def _count_tokens(self, attempt: Attempt, span: Span, about: Attributes) -> None:
        usage = attempt.usage
        if usage is None:
            return
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if count is not None:
                span.set_attribute(f"gen_ai.usage.{kind}_tokens", count)
                self._tokens.record(count, {**about, "gen_ai.token.type": kind})
        if usage.cached_tokens is not None:
            span.set_attribute("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens)
        if usage.reasoning_tokens is not None:
            span.set_attribute("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens)


def _about(provider: str, model: str, request: Request | None) -> Attributes:
    """The attributes of every metric of an attempt."""
    return {
        "gen_ai.operation.name": "embeddings" if _is_for_vectors(request) else "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
    }


def _is_for_vectors(request: Request | None) -> bool:
    """The request of an embedding call is an empty placeholder (`segue.client.arguments.NO_REQUEST`)."""
    return request is not None and not request.messages


def _asked(request: Request | None) -> Attributes:
    """The settings of a request, without any of its text."""
    if request is None or _is_for_vectors(request):
        return {}
    given = request.settings.given()
    told = {name: given[setting] for setting, name in _SETTINGS.items() if given.get(setting) is not None}
    told["gen_ai.request.stream"] = request.stream
    told["gen_ai.output.type"] = "text" if request.output is None else "json"
    return told
