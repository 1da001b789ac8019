"""Every recorded exchange of a wire that is read: answers, vectors and failures say what the vendor's own SDK says."""

from __future__ import annotations

import functools
import json
import random
from typing import TYPE_CHECKING, Any

import corpus
import pytest

from segue import BadRequestError, Client, ProviderError
from segue.plugin import Host
from segue.testing import Body, OpenAIHost

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS = corpus.exchanges(lambda exchange: exchange.api in corpus.APIS and not exchange.failed)
FAILURES = corpus.exchanges(lambda exchange: exchange.api in corpus.APIS and exchange.failed)
TALK = corpus.exchanges(lambda exchange: exchange.api in corpus.DECODERS and not exchange.failed)


@pytest.mark.parametrize("exchange", ANSWERS)
def test_an_answer_says_what_its_sdk_says_however_it_is_cut(exchange: corpus.Exchange) -> None:
    """Text, reasoning, calls, finish, tokens, sources, errors inside: whole, by event, at random cuts, byte by byte."""
    assert corpus.differences(exchange) == []


@pytest.mark.parametrize("exchange", FAILURES)
async def test_a_failure_has_its_type(exchange: corpus.Exchange) -> None:
    """Through the provider of its wire, the class, status, code and chances are those of the recording."""
    assert await corpus.failure(exchange) == []


@pytest.mark.parametrize("exchange", TALK)
def test_a_damaged_answer_gives_events_or_an_error_of_ours(exchange: corpus.Exchange) -> None:
    """Bytes changed, lost, doubled or torn off at places that are the same each time."""
    dice, body = random.Random(exchange.id), exchange.body[: 256 * 1024]
    for _ in range(8):
        damaged = bytearray(body)
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(damaged) + 1)
            match dice.randrange(4):
                case 0:
                    damaged[at : at + 1] = dice.randbytes(1)
                case 1:
                    del damaged[at : at + dice.randrange(1, 200)]
                case 2:
                    damaged[at:at] = damaged[at : at + dice.randrange(1, 200)]
                case _:
                    del damaged[at:]
        reading = corpus.Reading(corpus.DECODERS[exchange.api](), [bytes(damaged)])
        assert reading.error is None or isinstance(reading.error, ProviderError)


WRONG = (None, {}, [], 7, -1, 0.5, "", "x", True, {"a": [1]}, [[{}]], ["x"], 10**30)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield (*path, name)
        yield from _places(item, (*path, name))


def _changed(line: bytes, dice: random.Random) -> bytes:
    """A line of JSON, after whatever stands before it, with one value of it replaced; another line as it is."""
    head, brace, rest = line.partition(b"{")
    try:
        value = json.loads(brace + rest)
    except ValueError:
        return line
    places = list(_places(value))
    if not places:
        return line
    *way, last = dice.choice(places)
    functools.reduce(lambda inside, name: inside[name], way, value)[last] = dice.choice(WRONG)
    return head + json.dumps(value).encode()


@pytest.mark.parametrize("exchange", TALK)
def test_a_wrong_value_gives_events_or_an_error_of_ours(exchange: corpus.Exchange) -> None:
    """Any value of the JSON may be of another kind: in place of a text an object, of a list a number."""
    dice, lines = random.Random(exchange.id), exchange.body.split(b"\n")
    told = [place for place, line in enumerate(lines) if b"{" in line]
    for _ in range(12 if told else 0):
        damaged = list(lines)
        place = dice.choice(told)
        damaged[place] = _changed(damaged[place], dice)
        reading = corpus.Reading(corpus.DECODERS[exchange.api](), [b"\n".join(damaged)])
        assert reading.error is None or isinstance(reading.error, ProviderError)


async def test_a_failure_in_a_list_is_read() -> None:
    """Google answers a stream in the form of a list with a list of one failure."""
    body = b'[{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}]'
    async with OpenAIHost(script=[Body(body, content_type="application/json", status=400)]) as host:
        row = Host("listed", host.url, models=["m"])
        async with Client(providers=[row], config=False, plugins=False, environ={}) as client:
            with pytest.raises(BadRequestError) as caught:
                await client.chat("x", model="listed/m")
    assert caught.value.code == "INVALID_ARGUMENT"
