"""The errors of Segue.

::

    SegueError
    ├── ConfigError                     a configuration file, variable or argument is wrong
    ├── PluginError                     an installed plugin cannot be used
    ├── NeedsSyntaxError                a needs expression cannot be read (also a ValueError)
    ├── NoCandidateError                no installed model fits the call; it has the explanation
    ├── ClosedError                     the client was closed before or during the call
    ├── ProviderError                   one attempt at one provider failed
    │   ├── ConnectError                no connection to the host
    │   │   ├── DNSError                the host's name did not resolve
    │   │   ├── TLSError                no trusted, encrypted connection
    │   │   └── ProxyError              the proxy refused the connection, or failed
    │   ├── PhaseTimeoutError           a phase took too long (also a TimeoutError)
    │   ├── StreamBrokenError           the answer ended before its end marker; it has the text so far
    │   ├── ProtocolError               the response is not valid for the wire
    │   ├── InvalidOutputError          the answer does not match the requested schema
    │   ├── RejectedError               the caller's `reject` function rejected the answer
    │   ├── UnsupportedError            the model or its wire does not support the request; nothing was sent
    │   ├── DownloadError               an image or file could not, or must not, be downloaded; nothing was sent
    │   └── HTTPError                   the host answered with an error
    │       ├── BadRequestError
    │       │   ├── ContextLengthError
    │       │   ├── ContentFilterError
    │       │   └── RequestTooLargeError
    │       ├── AuthenticationError
    │       ├── PermissionDeniedError
    │       ├── ModelNotFoundError
    │       ├── RateLimitError
    │       │   └── QuotaExhaustedError
    │       ├── OverloadedError
    │       └── ServerError
    └── AllFailedError                  two or more candidates failed (also an ExceptionGroup)

The types answer a caller's questions: do I have to change something (``ConfigError``, ``BadRequestError``), can
the same call succeed later (``retryable``), can another provider answer it (``next_may_help``)? Type, status and
body fields decide this, never the text of a message. ``str()``, ``repr()`` and ``args`` contain no header, body or
query. The host's own message is in ``host_message``, and in a note of the error, which a traceback shows.
"""

from __future__ import annotations

import copy
import re
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self, TypeAlias, TypeVar

from .display import origin, single_line
from .values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .observation import Attempt

E = TypeVar("E", bound="SegueError")
T = TypeVar("T")

Phase: TypeAlias = Literal[
    "connect", "send", "headers", "first_event", "stream", "decode", "idle", "total", "plugin", "download", "skipped"
]
"""The part of an attempt in which it failed; for a ``PhaseTimeoutError``: connect, first_event, idle or total."""


class SegueError(Exception):
    """The base class of all errors that Segue raises.

    A pickle omits what cannot be pickled: attributes that you added, and a cause that is not a SegueError.
    """

    def __reduce__(self) -> tuple[object, ...]:
        # The default calls the class with ``args`` alone, which loses keyword-only fields. The state stands apart,
        # to be set once the error is known to the pickle: an attempt inside it has this very error.
        state = _picklable(self)
        if isinstance(self.__cause__, SegueError):
            state["__cause__"] = self.__cause__
        known = next(one for one in type(self).__mro__ if _is_importable(one))
        return _rebuild, (known, tuple(arg if _can_be_pickled(arg) else repr(arg) for arg in self.args)), state

    def __copy__(self) -> Self:
        made = _rebuild(type(self), self.args)
        made.__dict__.update(self.__dict__)
        made.__cause__, made.__suppress_context__ = self.__cause__, self.__suppress_context__
        return made

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        made = memo[id(self)] = _rebuild(type(self), _deep(self.args, memo))
        made.__dict__.update((name, _deep(value, memo)) for name, value in self.__dict__.items())
        made.__cause__, made.__suppress_context__ = _deep(self.__cause__, memo), self.__suppress_context__
        return made


def _rebuild(cls: type[E], args: tuple[object, ...]) -> E:
    error = cls.__new__(cls, *args)
    error.args = args
    return error


def _deep(value: T, memo: dict[int, object]) -> T:
    """A copy of its own, or the value itself where there can be none."""
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # what code hung on an error may raise anything when it is copied
        return value


_in_question: Final[ContextVar[frozenset[int]]] = ContextVar("segue_in_question", default=frozenset())
"""The errors of which just now it is tried what can be pickled: one may be inside itself."""


def _picklable(error: SegueError) -> dict[str, object]:
    """What is in an error, without what cannot be pickled."""
    ours: dict[str, object] = {
        name: value for name, value in error.__dict__.items() if name == "attempts" or isinstance(value, _PLAIN)
    }
    if len(ours) == len(error.__dict__) or id(error) in _in_question.get():
        return ours
    token = _in_question.set(_in_question.get() | {id(error)})
    try:
        return {name: value for name, value in error.__dict__.items() if name in ours or _can_be_pickled(value)}
    finally:
        _in_question.reset(token)


def _can_be_pickled(value: object) -> bool:
    if isinstance(value, _PLAIN) or (isinstance(value, list) and all(isinstance(one, SegueError) for one in value)):
        return True
    import pickle  # only where there is something that is not ours

    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301 - what it was a moment ago
    except Exception:  # as with copies
        return False
    return True


def _is_importable(cls: type[object]) -> bool:
    """Whether a class is found under its name, as a pickle tells it; one that a function made is not."""
    found: object = sys.modules.get(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is cls


_PLAIN: Final = (str, bytes, bool, int, float, type(None))


class ConfigError(SegueError):
    """A setting, file, variable or argument is wrong; the message says how to fix it."""


class PluginError(SegueError):
    """An installed plugin cannot be used; ``plugin`` is the name of its entry point, ``__cause__`` is the reason.

    ``hook`` is the hook that failed; it is empty if no hook failed.
    """

    def __init__(self, message: str, *, plugin: str = "", hook: str = "") -> None:
        super().__init__(message)
        self.plugin = plugin
        self.hook = hook


class NeedsSyntaxError(SegueError, ValueError):
    """A needs expression cannot be parsed; ``text`` and ``position`` (0-based) give the place."""

    def __init__(self, reason: str, *, text: str, position: int) -> None:
        super().__init__(f"{reason}\n  {text}\n  {' ' * position}^")
        self.reason = reason
        self.text = text
        self.position = position


class NoCandidateError(SegueError):
    """No model can get the request; ``explanation`` gives the reason for each model."""

    def __init__(self, message: str, *, explanation: str = "") -> None:
        super().__init__(f"{message}\n{explanation}" if explanation else message)
        self.explanation = explanation


class ClosedError(SegueError):
    """The client was closed before the call began, or during it; this is not an error of a host."""


class ProviderError(SegueError):
    """One attempt at one provider failed.

    ``retry_after`` is in seconds, or None if the host did not send it. ``attempts`` has every attempt of the call, in
    order; this one is the last. ``text`` is exactly the text that the caller of a stream already got. If the candidate
    was not tried at all, the phase is ``skipped``. ``address`` is the address of the request (scheme, host, port and
    path), or None if it is unknown. It is part of ``str()`` if it may be the cause.
    """

    address: str | None = None
    refused_for: str | None = None
    """If the candidate was skipped because its key had been refused: the model that refused the key."""
    refused_by: str | None = None
    """And its provider, which may be another one with the same address and the same key."""
    shows_address: ClassVar[bool] = False
    default_phase: ClassVar[Phase] = "stream"
    default_retryable: ClassVar[bool] = False
    default_next_may_help: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        phase: Phase | None = None,
        retryable: bool | None = None,
        next_may_help: bool | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.model = model
        self.phase: Phase = self.default_phase if phase is None else phase
        self.retryable: bool = self.default_retryable if retryable is None else retryable
        self.next_may_help: bool = self.default_next_may_help if next_may_help is None else next_may_help
        self.retry_after = retry_after
        self.request_id = request_id
        self.attempts: tuple[Attempt, ...] = ()
        self.text = ""

    @property
    def host_message(self) -> str | None:
        """The host's own message, on one line of at most 300 characters; None if the host did not send one.

        It may quote the request. Setting it also changes the note that shows it; None removes the note.
        """
        return getattr(self, "_host_message", None)

    @host_message.setter
    def host_message(self, text: str | None) -> None:
        said = single_line(text) if text else None
        notes = [note for note in getattr(self, "__notes__", ()) if not note.startswith(_HOST_SAYS)]
        if said:
            notes.insert(0, f"{_HOST_SAYS}{said}")
        self._host_message = said or None
        self.__notes__ = notes

    @property
    def refuses_credential(self) -> bool:
        """Whether the cause is the key or the account: other models of the same host would refuse it too."""
        return False

    def __str__(self) -> str:
        return f"{self.provider}: {message_of(self)}" if self.provider else message_of(self)


_HOST_SAYS: Final = "the host says: "


def message_of(error: ProviderError, *, address: str | None = None) -> str:
    """The message without the provider's name, and with the address if that may be the cause.

    ``address`` is shown in place of the error's own.
    """
    message = str(error.args[0]) if error.args else type(error).__name__
    address = error.address if address is None else address
    if not address:
        return message
    if isinstance(error, HTTPError):
        # A redirect that is not followed, nothing there, or nothing that takes the method.
        may_be_wrong = 300 <= error.status <= 399 or error.status in {404, 405, 410}
    else:
        may_be_wrong = error.shows_address
    return f"{message}: {address}" if may_be_wrong else message


class ConnectError(ProviderError):
    """No connection to the host: it was refused, unreachable or reset before a response began.

    ``is_local`` means that this machine has no file descriptors, memory or ports left;
    ``is_refused`` means that no server listens at the address.
    """

    is_local: bool = False
    is_refused: bool = False
    shows_address: ClassVar[bool] = True
    default_phase: ClassVar[Phase] = "connect"
    default_retryable: ClassVar[bool] = True


class DNSError(ConnectError):
    """The host's name did not resolve."""


class TLSError(ConnectError):
    """The host's certificate is not trusted on this machine, or the host does not use TLS."""

    default_retryable: ClassVar[bool] = False


class ProxyError(ConnectError):
    """The proxy could not be used, or it refused the connection."""


class PhaseTimeoutError(ProviderError, TimeoutError):
    """A phase (connect, first_event, idle, total) took longer than its limit."""

    shows_address: ClassVar[bool] = True
    default_phase: ClassVar[Phase] = "total"
    default_retryable: ClassVar[bool] = True


class StreamBrokenError(ProviderError):
    """The answer ended before its end marker; ``text`` is exactly the text that arrived."""

    shows_address: ClassVar[bool] = True
    default_retryable: ClassVar[bool] = True

    def __init__(
        self, message: str, *, text: str = "", phase: Phase | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, phase=phase, request_id=request_id)
        self.text = text


class ProtocolError(ProviderError):
    """The response is not valid for the wire: a wrong encoding, invalid JSON, or too much data.

    ``is_page`` means that the host sent a web page (HTML) with a status of success.
    """

    is_page: bool = False
    shows_address: ClassVar[bool] = True
    default_phase: ClassVar[Phase] = "decode"


class InvalidOutputError(ProviderError):
    """The answer is whole, but it does not match the requested schema; ``text`` is the answer.

    ``finish_reason`` is the reason why it ended: with ``length`` the answer was cut off by a limit.
    """

    default_phase: ClassVar[Phase] = "decode"

    def __init__(self, message: str, *, text: str = "", finish_reason: str | None = None) -> None:
        super().__init__(message)
        self.text = text
        self.finish_reason = finish_reason


class RejectedError(ProviderError):
    """The caller's `reject` function rejected the answer, or its beginning; ``text`` is the text that was rejected.

    ``reason`` is the name of the function.
    """

    default_phase: ClassVar[Phase] = "decode"

    def __init__(self, message: str, *, reason: str = "", text: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.text = text


class UnsupportedError(ProviderError):
    """The model or its wire does not support a part of the request, and the policy is ``error``; nothing was sent."""

    default_phase: ClassVar[Phase] = "send"

    def __init__(self, message: str, *, subject: str = "") -> None:
        super().__init__(message)
        self.subject = subject


class DownloadError(ProviderError):
    """An image or file could not, or must not, be downloaded for a host that does not accept URLs; nothing was sent.

    ``status`` is the HTTP status of the download, if there was a response. A download is tried once per call: the next
    candidate may help if its host accepts the URL.
    """

    default_phase: ClassVar[Phase] = "download"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class HTTPError(ProviderError):
    """The host answered with an error.

    ``status`` is the HTTP status (200 if the error came inside a stream); ``code`` is the code or type in the body;
    ``body`` is at most 2,000 characters of the body, with everything that looks like a key redacted. If a plugin
    raises it without a status, it has the usual status of its type.
    """

    sent_credentials: tuple[str, ...] = ()
    """If the host refused the credential: the headers of the request that may hold one, by name; ``url`` means that
    the address had one.
    """
    default_phase: ClassVar[Phase] = "headers"
    default_status: ClassVar[int] = 200

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        body: str = "",
        phase: Phase | None = None,
        retryable: bool | None = None,
        next_may_help: bool | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        host_message: str | None = None,
    ) -> None:
        super().__init__(
            message,
            phase=phase,
            retryable=retryable,
            next_may_help=next_may_help,
            retry_after=retry_after,
            request_id=request_id,
        )
        self.status: int = self.default_status if status is None else status
        self.code = code
        self.body = body
        if host_message:
            self.host_message = host_message


class BadRequestError(HTTPError):
    """The host says that the request is wrong (400, 422); another provider would get the same request."""

    default_next_may_help: ClassVar[bool] = False
    default_status: ClassVar[int] = 400


class ContextLengthError(BadRequestError):
    """The request is longer than the model's context; a model with a larger context may accept it."""

    default_next_may_help: ClassVar[bool] = True


class ContentFilterError(BadRequestError):
    """The host's content filter refused the request or its answer."""


class RequestTooLargeError(BadRequestError):
    """The request body is larger than the host accepts (413)."""

    default_next_may_help: ClassVar[bool] = True
    default_status: ClassVar[int] = 413


class AuthenticationError(HTTPError):
    """The host does not accept the key (401)."""

    default_status: ClassVar[int] = 401

    @property
    def refuses_credential(self) -> bool:
        return True


class PermissionDeniedError(HTTPError):
    """The key does not have permission for this request (403)."""

    default_status: ClassVar[int] = 403

    @property
    def refuses_credential(self) -> bool:
        return self.code in _OF_ACCOUNT


class ModelNotFoundError(HTTPError):
    """The host does not have this model, or retired it (404, 410)."""

    default_status: ClassVar[int] = 404


class RateLimitError(HTTPError):
    """Too many requests (429); ``retry_after`` is the time to wait, if the host sent it."""

    default_retryable: ClassVar[bool] = True
    default_status: ClassVar[int] = 429


class QuotaExhaustedError(RateLimitError):
    """The account's quota or credit is used up; a short wait does not help."""

    default_retryable: ClassVar[bool] = False
    default_status: ClassVar[int] = 402

    @property
    def refuses_credential(self) -> bool:
        return self.code not in _OF_ONE_MODEL


class OverloadedError(HTTPError):
    """The host is overloaded (503, 529)."""

    default_retryable: ClassVar[bool] = True
    default_status: ClassVar[int] = 503


class ServerError(HTTPError):
    """The host failed (5xx)."""

    default_retryable: ClassVar[bool] = True
    default_status: ClassVar[int] = 500


class AllFailedError(SegueError, ExceptionGroup[ProviderError]):
    """Two or more candidates failed; the group holds the last error of each, ``attempts`` has every attempt.

    A candidate that was skipped because its key had been refused is only in ``attempts``. ``str()`` gives equal
    causes once: ``all 20 candidates failed: openai (20 models): HTTP 401 (invalid_api_key)``.
    ``text`` is exactly the text that the caller of a stream already got.
    """

    attempts: tuple[Attempt, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        return f"{self.message}: {'; '.join(self.causes)}"

    @property
    def causes(self) -> tuple[str, ...]:
        """The provider and the message of each error; equal causes of one provider once."""
        alike: dict[tuple[str | None, type[ProviderError], str], list[ProviderError]] = {}
        for error in leaves(self):
            alike.setdefault((error.provider, type(error), message_of(error, address="")), []).append(error)
        return tuple(self._cause(errors) for errors in alike.values())

    def _cause(self, errors: Sequence[ProviderError]) -> str:
        first = errors[0]
        models = {error.model for error in errors}
        refused = {error.model for error in errors if error.refuses_credential}
        others: dict[str, None] = {}  # providers with the same address and key
        for attempt in self.attempts:
            error = attempt.error
            if error is None or error.refused_for not in refused or error.refused_by != first.provider:
                continue
            if attempt.provider == first.provider:
                models.add(attempt.model)
            else:
                others[attempt.provider] = None
        if len(models) > 1:
            who = f"{first.provider} ({len(models)} models)"
        else:
            who = "/".join(part for part in (first.provider, first.model) if part)
        if others:
            who += f", and {', '.join(others)} with the same address and key"
        addresses = {error.address or "" for error in errors}
        if len(addresses) > 1:  # of some hosts the model is part of the path
            addresses = {origin(address) for address in addresses}
        message = message_of(first, address=addresses.pop() if len(addresses) == 1 else "")
        made = sum(
            attempt.outcome != "skipped" and attempt.provider == first.provider and attempt.model in models
            for attempt in self.attempts
        )
        if made > len(models):
            message = f"{message} (after {made} attempts)"
        return f"{who}: {message}" if who else message

    def derive(self, excs: Sequence[ProviderError]) -> AllFailedError:  # type: ignore[override]
        """Keep the type and the attempts when ``except*`` splits the group."""
        derived = AllFailedError(self.message, list(excs))
        derived.attempts = self.attempts
        derived.text = self.text
        return derived


def leaves(group: ExceptionGroup[ProviderError]) -> list[ProviderError]:
    """The errors of a group, including those of groups inside it."""
    found: list[ProviderError] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, ExceptionGroup) else [error]
    return found


# ── the one table: an answered error → its type ──────────────────────────────────────────────────────

_BY_STATUS: Final[Mapping[int, type[HTTPError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: QuotaExhaustedError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    410: ModelNotFoundError,
    413: RequestTooLargeError,
    422: BadRequestError,
    429: RateLimitError,
    503: OverloadedError,
    529: OverloadedError,
}

# The account itself is closed, so that its key has no permission for any model (platform.openai.com/docs/guides/
# error-codes; console.groq.com/docs/errors).
_OF_ACCOUNT: Final[frozenset[str]] = frozenset(
    {
        "account_deactivated",
        "account_disabled",
        "account_suspended",
        "organization_deactivated",
        "organization_restricted",
    }
)

# Codes and types of error bodies, compared whole. OpenAI: platform.openai.com/docs/guides/error-codes;
# Anthropic: docs.anthropic.com/en/api/errors. Not yet held against recorded errors of each host.
_BY_CODE: Final[Mapping[str, type[HTTPError]]] = {
    "authentication_error": AuthenticationError,
    "billing_error": QuotaExhaustedError,
    "content_filter": ContentFilterError,
    "content_policy_violation": ContentFilterError,
    "context_length_exceeded": ContextLengthError,
    "API_KEY_INVALID": AuthenticationError,  # Google, with status 400
    "ExpiredTokenException": AuthenticationError,  # AWS, with 403: bedrock-converse-7b817b56bd
    "InvalidSignatureException": AuthenticationError,  # AWS, with 403
    "ModelErrorException": ServerError,  # Bedrock, with 424: the model failed
    "ModelNotReadyException": OverloadedError,  # Bedrock, with 429
    "ModelStreamErrorException": ServerError,  # Bedrock, with 424
    "ServiceQuotaExceededException": QuotaExhaustedError,  # Bedrock, with 400
    "UnrecognizedClientException": AuthenticationError,  # AWS, with 403
    "TOO_MANY_TOKENS": ContextLengthError,  # Cohere
    "too_many_prompt_tokens": ContextLengthError,  # Perplexity
    "insufficient_quota": QuotaExhaustedError,
    "Arrearage": QuotaExhaustedError,  # Alibaba, with 400
    "billing_hard_limit_reached": QuotaExhaustedError,  # OpenAI, with 400 and 429
    "billing_not_active": QuotaExhaustedError,  # OpenAI, with 429
    "exceeded_current_quota": QuotaExhaustedError,  # with 429
    "exceeded_current_quota_error": QuotaExhaustedError,  # Moonshot, with 429
    "payment_required": QuotaExhaustedError,  # also with 429
    **dict.fromkeys(_OF_ACCOUNT, PermissionDeniedError),
    "invalid_api_key": AuthenticationError,
    "invalid_request_error": BadRequestError,
    "model_not_found": ModelNotFoundError,
    "not_found_error": ModelNotFoundError,
    "overloaded_error": OverloadedError,
    "permission_error": PermissionDeniedError,
    "rate_limit_error": RateLimitError,
    "rate_limit_exceeded": RateLimitError,
    "request_too_large": RequestTooLargeError,
    "server_error": ServerError,
    "api_error": ServerError,
}

# Codes that say more than the status they come with; the others only speak where there is no status.
_NARROWING: Final[frozenset[str]] = frozenset(
    {
        "API_KEY_INVALID",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelStreamErrorException",
        "ServiceQuotaExceededException",
        "UnrecognizedClientException",
        "TOO_MANY_TOKENS",
        "too_many_prompt_tokens",
        "Arrearage",
        "billing_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "exceeded_current_quota",
        "exceeded_current_quota_error",
        "payment_required",
        "content_filter",
        "content_policy_violation",
        "context_length_exceeded",
        "insufficient_quota",
        "invalid_api_key",
        "model_not_found",
        "overloaded_error",
    }
)

# The model wrote what the host could not use, though the request was in order: another model may do better
# (groq-chat-63271d54a4, groq-chat-a5766a5fdc; console.groq.com/docs/errors).
_MODEL_FAILED: Final[frozenset[str]] = frozenset({"json_validate_failed", "tool_use_failed"})

# A quota of one model, not of the account (docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html).
_OF_ONE_MODEL: Final[frozenset[str]] = frozenset({"ServiceQuotaExceededException"})

# What is asked of a host with a prompt that is too long.
_CONTEXT_STATUSES: Final[frozenset[int]] = frozenset({200, 400, 413, 422})

# Passing states of a host rather than faults of the request (RFC 9110 15.5.9, 15.5.10; RFC 8470).
_RETRYABLE_4XX: Final[frozenset[int]] = frozenset({408, 409, 425})


@dataclass(frozen=True, slots=True)
class ErrorFields:
    """The fields of an error body."""

    code: str | None = None
    type: str | None = None
    status: int | None = None
    """The status in the body itself; some hosts send one inside a stream with status 200."""
    reason: str | None = None
    """A more specific reason next to the code; Google sends one in ``details``."""
    message: str | None = None
    """The host's own message, without keys and text that looks like a key."""
    context_length: bool = False
    """Whether the body contains one of the phrases of `segue.wire.error_body`; some hosts send no field for this."""


_CODE: Final = re.compile(r"[A-Za-z0-9][\w.:/#-]{0,63}", re.ASCII)
"""What a code may look like that `str()` and the log show: a word, never a sentence."""


def forget_code(error: HTTPError) -> None:
    """Remove the code from an error, and from its message: it is a word of the request."""
    code, error.code = error.code, None
    error.args = tuple(arg.replace(f" ({code})", "") if isinstance(arg, str) else arg for arg in error.args)


def is_known_code(code: str) -> bool:
    """Whether this is a code of an API, whatever a request says."""
    return code in _BY_CODE or code in _MODEL_FAILED


def http_error(
    status: int,
    fields: ErrorFields = ErrorFields(),  # noqa: B008 - frozen
    *,
    body: str = "",
    phase: Phase | None = None,
    retry_after: float | None = None,
    request_id: str | None = None,
) -> HTTPError:
    """The error for an HTTP error response; status and body fields decide its type; 200 means inside a stream."""
    told = fields.status if status == 200 and fields.status is not None else status
    names = [name for name in (fields.reason, fields.code, fields.type) if name]
    cls: type[HTTPError] | None = next((_BY_CODE[name] for name in names if name in _NARROWING), None)
    if cls is None and fields.context_length and told in _CONTEXT_STATUSES:
        cls = ContextLengthError
    cls = cls or _BY_STATUS.get(told)
    if cls is None and told == 200:
        cls = next((_BY_CODE[name] for name in names if name in _BY_CODE), ServerError)
    if cls is None:
        cls = ServerError if told >= 500 else BadRequestError if 400 <= told < 500 else HTTPError
    passing = told in _RETRYABLE_4XX
    code = fields.code or fields.type
    if code is not None and not _CODE.fullmatch(code):
        code = None  # prose, which may quote the request, or a line that forges a log
    where = "error inside the stream" if status == 200 else f"HTTP {status}"
    return cls(
        f"{where} ({code})" if code else where,
        status=status,
        code=code,
        body=body,
        phase=phase,
        retryable=True if passing else None,
        next_may_help=True if passing or not _MODEL_FAILED.isdisjoint(names) else None,
        retry_after=retry_after,
        request_id=request_id,
        host_message=fields.message,
    )


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────


class TimeIsUpError(Exception):
    """A wait, or code in a thread, took longer than its limit; it never reaches a caller."""
