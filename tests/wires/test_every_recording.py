"""Every recorded exchange of a wire that is read: answers, vectors and failures say what the vendor's own SDK says."""

from __future__ import annotations

import random

import corpus
import pytest

from understudy import BadRequestError, Client, ProviderError
from understudy.plugin import Host
from understudy.testing import Body, OpenAIHost

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


async def test_a_failure_in_a_list_is_read() -> None:
    """Google answers a stream in the form of a list with a list of one failure."""
    body = b'[{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}]'
    async with OpenAIHost(script=[Body(body, content_type="application/json", status=400)]) as host:
        row = Host("listed", host.url, models=["m"])
        async with Client(providers=[row], config=False, plugins=False, environ={}) as client:
            with pytest.raises(BadRequestError) as caught:
                await client.chat("x", model="listed/m")
    assert caught.value.code == "INVALID_ARGUMENT"
