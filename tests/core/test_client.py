"""The front door: when a call goes on to the next candidate, and what the caller is told."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import segue
from segue import (
    AllFailedError,
    Attempt,
    AuthenticationError,
    BadRequestError,
    Chain,
    Client,
    ConnectError,
    ContextLengthError,
    Finish,
    NeedsSyntaxError,
    NoCandidateError,
    Notice,
    OverloadedError,
    PhaseTimeoutError,
    PluginError,
    ProviderError,
    RateLimitError,
    Retry,
    StreamBrokenError,
    TextDelta,
    Timeout,
)
from segue.observation import AttemptStart, Observer
from segue.plugin import AsyncGeneratorProvider, Model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from segue.plugin import Context, Event, Request


class Scripted:
    """A provider that gives these events, or raises those of them that are errors; None waits for ever."""

    def __init__(self, name: str, *events: Event | BaseException | None) -> None:
        self.name = name
        self.asked = 0
        self.closed = 0
        self._events = events

    def models(self) -> Sequence[Model]:
        return [Model("m")]

    async def stream(self, request: Request, context: Context) -> AsyncIterator[Event]:
        self.asked += 1
        try:
            for event in self._events:
                if event is None:
                    await asyncio.Event().wait()
                elif isinstance(event, BaseException):
                    raise event
                else:
                    yield event
        finally:
            self.closed += 1


def good(name: str = "good") -> Scripted:
    return Scripted(name, TextDelta("whole"), Finish("stop"))


def hermetic(*providers: object, **options: Any) -> Client:
    options.setdefault("retry", Retry(count=0))
    return Client(providers=providers, config=False, plugins=False, environ={}, **options)


@pytest.mark.parametrize(
    "error",
    [
        OverloadedError("x", status=503),
        AuthenticationError("x", status=401),
        ContextLengthError("x", status=400),
        ConnectError("x"),
        ValueError("x"),
    ],
)
async def test_a_bare_model_goes_on_to_the_next(error: Exception) -> None:
    """A model's bare name is a chain: where the next may help, it is asked."""
    first, second = Scripted("a", error), good("b")
    async with hermetic(first, second) as client:
        reply = await client.chat("x", model="m")
    assert (reply.provider, reply.text, first.closed) == ("b", "whole", 1)
    assert [attempt.outcome for attempt in reply.attempts] == ["failed", "answered"]


async def test_a_bad_request_stops_the_chain() -> None:
    """What is wrong with the request is wrong for the next one too: it is not asked."""
    second = good("b")
    async with hermetic(Scripted("a", BadRequestError("x", status=400)), second) as client:
        with pytest.raises(BadRequestError):
            await client.chat("x", model="m")
    assert second.asked == 0


async def test_a_stream_goes_on_until_its_first_text_and_never_after() -> None:
    """A notice is no text: the next is asked and nothing of the first is seen; after text the error is the caller's."""
    second = good("b")
    overloaded = OverloadedError("x", status=503)
    client = hermetic(Scripted("a", Notice("seed", "left"), overloaded), second)
    async with client, client.stream("x", model="m") as stream:
        reply = await stream.reply()
    assert (reply.text, reply.notices, second.asked) == ("whole", (), 1)

    second = good("b")
    async with hermetic(Scripted("a", TextDelta("one "), StreamBrokenError("cut")), second) as client:
        with pytest.raises(StreamBrokenError) as caught:
            async with client.stream("x", model="m") as stream:
                await stream.reply()
    assert (caught.value.text, second.asked) == ("one ", 0)


async def test_a_whole_answer_starts_again_after_a_cut() -> None:
    """In chat() nothing was seen of what the first one said, and nothing of it is in the answer."""
    async with hermetic(Scripted("a", TextDelta("one "), StreamBrokenError("cut")), good("b")) as client:
        reply = await client.chat("x", model="m")
    assert reply.text == "whole"
    assert isinstance(reply.attempts[0].error, StreamBrokenError)
    assert reply.attempts[0].error.text == "one "


async def test_one_candidate_raises_its_own_error() -> None:
    """A single failure is no group; it says who, and holds the attempt."""
    async with hermetic(Scripted("a", RateLimitError("slow down", status=429, retry_after=3))) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.chat("x", chain=Chain("a"))
    error = caught.value
    assert (error.provider, error.model, error.retry_after, len(error.attempts)) == ("a", "m", 3, 1)
    assert error.attempts[0].error is error


async def test_except_star_takes_a_group_apart() -> None:
    """From two failures on ``except*`` sees each by its type, in a group that keeps its own."""
    told: list[object] = []
    async with hermetic(Scripted("a", RateLimitError("x", status=429)), Scripted("b", ConnectError("x"))) as client:
        try:
            await client.chat("x", model="m")
        except* RateLimitError as limited:
            told += [type(limited), len(limited.exceptions), len(limited.attempts)]  # type: ignore[attr-defined]
        except* ConnectError as refused:
            told += [type(refused), len(refused.exceptions), len(refused.attempts)]  # type: ignore[attr-defined]
    assert told == [AllFailedError, 1, 2] * 2


async def test_a_target_that_leads_nowhere_is_noticed_once() -> None:
    """The answer tells which target was left out, also where the first that was asked had failed."""
    async with hermetic(Scripted("a", ConnectError("x")), good("b")) as client:
        reply = await client.chat("x", chain=Chain("nowhere", "a", "b"))
        assert [notice.subject for notice in reply.notices] == ["chain"]
        assert "'nowhere' was left out" in str(reply.notices[0])


@pytest.mark.parametrize("events", [(None,), (TextDelta("a"), None)])
async def test_the_total_limit_is_over_all_attempts(events: tuple[Any, ...]) -> None:
    """Once the call's time is up no other candidate is asked, and the one under way is closed."""
    first, second = Scripted("a", *events), good("b")
    async with hermetic(first, second, timeout=Timeout(total=0.05)) as client:
        with pytest.raises(PhaseTimeoutError) as caught:
            await client.chat("x", model="m")
    assert isinstance(caught.value, TimeoutError)
    assert (caught.value.phase, first.closed, second.asked) == ("total", 1, 0)


async def test_who_is_silent_is_left_for_the_next() -> None:
    """A first event that does not come in its time is a failure that another may make good."""
    first = Scripted("a", None)
    async with hermetic(first, good("b"), timeout=Timeout(first_event=0.05)) as client:
        reply = await client.chat("x", model="m")
    assert (reply.provider, first.closed) == ("b", 1)


async def test_a_callers_own_cancellation_passes() -> None:
    """A cancelled call is no failure of the provider: it is closed, and observers hear «abandoned»."""
    ended: list[Attempt] = []
    asked = asyncio.Event()

    class Watch(Observer):
        def attempt_started(self, start: AttemptStart) -> None:
            asked.set()

        def attempt_ended(self, attempt: Attempt) -> None:
            ended.append(attempt)

    first, second = Scripted("a", None), good("b")
    async with hermetic(first, second, observers=[Watch()]) as client:
        task = asyncio.create_task(client.chat("x", model="m"))
        await asked.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [(attempt.provider, attempt.outcome) for attempt in ended] == [("a", "abandoned")]
    assert (first.closed, second.asked) == (1, 0)


async def test_a_providers_own_exception_is_the_cause_of_ours() -> None:
    """What a provider raises is not shown in the message, which may hold a secret, but kept as the cause."""
    async with hermetic(Scripted("a", ValueError("canary"))) as client:
        with pytest.raises(ProviderError) as caught:
            await client.chat("x", model="a")
    assert caught.value.phase == "plugin"
    assert isinstance(caught.value.__cause__, ValueError)
    assert "canary" not in str(caught.value) + repr(caught.value)


async def test_what_comes_after_the_end_is_not_read() -> None:
    """The Finish is the end, whatever a provider would still say."""
    provider = Scripted("a", TextDelta("x"), Finish("stop"), TextDelta("more"), ValueError("late"))
    async with hermetic(provider) as client:
        assert (await client.chat("x", model="a")).text == "x"
    assert provider.closed == 1


async def test_keyword_arguments_reach_a_generator_that_takes_any() -> None:
    """With ``**kwargs`` every setting that was given arrives, the others do not, and nothing is noticed."""
    got: dict[str, Any] = {}

    class Any_(AsyncGeneratorProvider):  # noqa: N801 - the name is not looked at
        name = "any"
        models = ("m",)

        @classmethod
        async def create_async_generator(  # type: ignore[override]
            cls, model: str, messages: Any, proxy: str | None = None, **kwargs: Any
        ) -> AsyncIterator[str]:
            got.update(kwargs, proxy=proxy)
            yield "x"

    async with hermetic(Any_, proxy="http://127.0.0.1:9") as client:
        reply = await client.chat("x", model="any", seed=1, stop="END")
    assert got == {"seed": 1, "stop": ("END",), "proxy": "http://127.0.0.1:9"}
    assert reply.notices == ()


async def test_nothing_installed_says_so() -> None:
    """Without any provider a call is a NoCandidateError, of the arguments at once."""
    async with hermetic() as client:
        with pytest.raises(NoCandidateError, match="candidates: none"):
            client.stream("x")


@pytest.mark.parametrize(
    "error",
    [
        PluginError("x", plugin="p"),
        NeedsSyntaxError("x", text="a,,b", position=2),
        NoCandidateError("x", explanation="because"),
        ProviderError("x", provider="p", retry_after=2.5),
        PhaseTimeoutError("x", phase="idle"),
        StreamBrokenError("x", text="so far"),
        OverloadedError("x", status=503, code="overloaded", body="b", request_id="r"),
    ],
)
def test_errors_travel_between_processes(error: Exception) -> None:
    """A pickled or copied error keeps its type, its text and its fields."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert (str(again), vars(again)) == (str(error), vars(error))


def test_every_error_is_given_out_by_the_package() -> None:
    """Whatever Segue raises can be imported from ``segue``."""

    def below(cls: type) -> set[type]:
        return {cls}.union(*(below(child) for child in cls.__subclasses__()))

    ours = {cls.__name__ for cls in below(segue.SegueError) if cls.__module__ == "segue.errors"}
    assert ours <= set(segue.__all__)
