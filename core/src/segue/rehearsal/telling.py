"""The result of a lane and of a call, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .record import Call, Lane


def of_lane(lane: Lane) -> str:
    """The result of an attempt."""
    lasted = f"{lane.ended - lane.started:.2f} s"
    match lane.outcome:
        case "answered":
            told = f"answered in {lasted}"
        case "failed":
            told = f"{lane.error} ({lane.phase}) after {lasted}: {lane.message}"
        case "skipped":
            told = lane.message
        case "lost":
            told = f"lost to a faster one after {lasted}"
        case "abandoned":
            told = f"abandoned after {lasted}"
    if lane.way is not None:
        told = f"{lane.way}: {told}"
    if lane.input_tokens is not None or lane.output_tokens is not None:
        told += f", {lane.input_tokens or 0} + {lane.output_tokens or 0} tokens"
    return told + cost(lane.cost)


def of_call(call: Call) -> str:
    """The result of a call for its caller."""
    lasted = f"{call.ended - call.started:.2f} s"
    if call.whole:
        told = f"a whole answer, {len(call.text)} characters in {lasted}"
    else:
        told = f"{call.error} after {lasted}, with {len(call.text)} characters: {call.message}"
    return told + cost(call.cost)


def cost(usd: float | None) -> str:
    """A cost, to append to a result; empty if it is unknown."""
    return "" if usd is None else f", ${usd:.6f}".rstrip("0").rstrip(".")
