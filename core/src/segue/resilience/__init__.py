"""Retries, breakers, hedges, balancing and limits: what keeps calls working while hosts fail."""

from __future__ import annotations

from .balance import Balance, Share, arranged
from .breaker import CLOSED, Breaker, Circuit, Endpoint, blame_of, breaker_of
from .budget import HEDGE, RETRY, Bucket, Budget
from .concurrency import CONCURRENCY, Concurrency
from .fleet import Fleet, HealthStore, MemoryHealth
from .hedge import Hedge, hedge_of
from .latency import Latencies
from .reject import Rejection, rejected_by, rejections
from .retry import NO_RETRY, Retry, Round, Rounds, retry_of

__all__ = [
    "CLOSED",
    "CONCURRENCY",
    "HEDGE",
    "NO_RETRY",
    "RETRY",
    "Balance",
    "Breaker",
    "Bucket",
    "Budget",
    "Circuit",
    "Concurrency",
    "Endpoint",
    "Fleet",
    "HealthStore",
    "Hedge",
    "Latencies",
    "MemoryHealth",
    "Rejection",
    "Retry",
    "Round",
    "Rounds",
    "Share",
    "arranged",
    "blame_of",
    "breaker_of",
    "hedge_of",
    "rejected_by",
    "rejections",
    "retry_of",
]
