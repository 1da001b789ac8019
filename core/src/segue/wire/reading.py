"""Reads values of decoded JSON, for all wires; an error names the place, and never shows the value."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from jiter import from_json as read  # as this is called for each event

from ..errors import ProtocolError
from ..json_text import from_json

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def json_object(payload: bytes | str) -> dict[str, Any]:
    """A JSON object; ProtocolError for any other value."""
    try:
        data = payload.encode() if isinstance(payload, str) else payload
        value = read(data, allow_inf_nan=False, cache_mode="keys")
    except ValueError:
        # Bytes that are no UTF-8 become U+FFFD, as the event stream standard has it; what is no JSON
        # then fails for good. The reason is not passed on: it would show the payload.
        text = payload if isinstance(payload, str) else payload.decode("utf-8", "replace")
        try:
            value = from_json(text, allow_inf_nan=False)
        except ValueError:
            raise ProtocolError("the response data is not JSON") from None
    if not isinstance(value, dict):
        raise ProtocolError("the response data is JSON, but not an object")
    return cast("dict[str, Any]", value)


def table(value: object, where: str) -> dict[str, Any]:
    """An object; ProtocolError, with the place, for any other value."""
    if not isinstance(value, dict):
        raise ProtocolError(f"{where} is not an object")
    return cast("dict[str, Any]", value)


def objects(value: object, where: str) -> list[dict[str, Any]]:
    """A list of objects."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ProtocolError(f"{where} is not a list of objects")
    return cast("list[dict[str, Any]]", value)


def text_of(value: object, where: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ProtocolError(f"{where} is not a string")
    return value


def string(value: object) -> str | None:
    """A string that is not empty; None for any other value."""
    return value if isinstance(value, str) and value else None


def count(number: Any) -> int | None:
    """A plausible count: an integer of at least 0; else None (unknown)."""
    told: int | None = number if number.__class__ is int and number >= 0 else None
    return told


def numbers(value: object, where: str) -> list[float]:
    """A list of one or more numbers."""
    if isinstance(value, list) and value and all(number.__class__ in {float, int} for number in value):
        return value
    raise ProtocolError(f"{where} is not a list of numbers")


def usd(usage: dict[str, Any]) -> float | None:
    """The cost of the call in its usage; None if there is no plausible value.

    OpenRouter, Vercel and Perplexity (in a separate table) send it in USD, xAI in ticks, 10^10 to the dollar
    (docs.x.ai/developers/cost-tracking).
    """
    told = usage.get("cost")
    cost = told.get("total_cost") if isinstance(told, dict) else told
    if isinstance(cost, (int, float)) and not isinstance(cost, bool) and cost >= 0:
        return float(cost)
    ticks = count(usage.get("cost_in_usd_ticks"))
    return None if ticks is None else ticks / 1e10


def value_errors(read: Callable[P, R]) -> Callable[P, R]:
    """A decorator: a value of a wrong type in a client's body is a ValueError like any other fault of it."""

    @functools.wraps(read)
    def reading(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return read(*args, **kwargs)
        except TypeError as error:
            told = str(error)
        raise ValueError(told)  # outside of the handler: its frames hold the body

    return reading
