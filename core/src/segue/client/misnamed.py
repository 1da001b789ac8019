"""Arguments and attributes with a wrong name: what to write instead of the names that other libraries have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Never, NoReturn, ParamSpec, TypeVar

from .. import constraints
from ..display import nearest
from ..messages import SETTING_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["known_arguments", "mark_client", "mark_stream", "refused", "unknown_argument"]

P = ParamSpec("P")
R = TypeVar("R")

_OF_CHAT: Final = (
    *("model", "needs", "chain", "schema", "tools", "tool_choice", "options", "extra_body", "extra_headers", "policy"),
    *("timeout", "mid_stream", "reject", "hedge", "hold_back", *SETTING_NAMES),
)
_OF_EMBED: Final = (
    *("inputs", "model", "needs", "chain", "dimensions", "purpose", "options", "extra_body", "extra_headers"),
    *("policy", "timeout"),
)
_OF_CLIENT: Final = (
    *("config", "plugins", "providers", "api_keys", "timeout", "retry", "breaker", "budget", "health", "concurrency"),
    *("proxy", "ca_file", "environment_proxies", "downloads", "host_messages", "observers", "middleware", "transport"),
    "environ",
)
_ARGUMENTS: Final[Mapping[str, Sequence[str]]] = {
    "chat": _OF_CHAT,
    "stream": _OF_CHAT,
    "embed": _OF_EMBED,
    "Client": _OF_CLIENT,
}
"""The arguments by name; a test holds them equal to the signatures."""

_MESSAGES: Final = "give it as a message: chat([{'role': 'system', 'content': …}, …])"
_FIRST: Final = "use messages=, the first argument"
_TABLE: Final = "set it in the configuration: [providers.NAME]"
_ADDRESS: Final = (
    f"{_TABLE} base_url, or Client(config={{'providers': {{'NAME': {{'base_url': …}}}}}}), "
    "where NAME is the provider, such as openai"
)
_SAID: Final = "use extra_body= or options="

_CHAT: Final[Mapping[str, str]] = {
    "response_format": "use schema= (a pydantic model, a JSON schema, or 'json')",
    "response_model": "use schema=",
    "response_schema": "use schema=",
    "output_type": "use schema=",
    "system": _MESSAGES,
    "system_prompt": _MESSAGES,
    "system_instruction": _MESSAGES,
    "instructions": _MESSAGES,
    "developer": "give it as a message: messages=[{'role': 'developer', 'content': …}, …]",
    "messages": _FIRST,
    "prompt": _FIRST,
    "input": _FIRST,
    "inputs": f"{_FIRST}; for embeddings call client.embed(…)",
    "contents": _FIRST,
    "stream": "call client.stream(…) to get a stream",
    "stream_options": "usage is always in reply.usage",
    "max_completion_tokens": "use max_tokens=",
    "max_output_tokens": "use max_tokens=",
    "max_new_tokens": "use max_tokens=",
    "num_predict": "use max_tokens=",
    "stop_sequences": "use stop=",
    "functions": "use tools=",
    "function_call": "use tool_choice=",
    "reasoning": "use reasoning_effort=",
    "effort": "use reasoning_effort=",
    "thinking": "use reasoning_effort=, or options=",
    "random_seed": "use seed=",
    "candidate_count": "use n=",
    "num_choices": "use n=",
    "repetition_penalty": _SAID,
    "fallback": "use chain= with a list of models",
    "fallbacks": "use chain= with a list of models",
    "models": "use chain= with a list of models",
    "provider": "use model='provider/model'",
    "engine": "use model=",
    "deployment": "use model=",
    "model_name": "use model=",
    "model_id": "use model=",
    "headers": "use extra_headers=",
    "body": "use extra_body=",
    "extra_query": "it is not supported; use extra_body= or extra_headers=",
    "user": _SAID,
    "metadata": _SAID,
    "service_tier": _SAID,
    "logit_bias": _SAID,
    "safety_settings": _SAID,
    "request_timeout": "use timeout=",
    "dimensions": "call client.embed(…) for embeddings",
    "purpose": "call client.embed(…) for embeddings",
    "balance": "set it for the chain: Chain(…, balance=…)",
}
"""Names from other libraries for arguments of a call."""

_EMBED: Final[Mapping[str, str]] = {
    "input": "use inputs=, the first argument",
    "text": "use inputs=, the first argument",
    "texts": "use inputs=, the first argument",
    "contents": "use inputs=, the first argument",
    "documents": "use inputs=, the first argument",
    "input_type": "use purpose= ('query' or 'document')",
    "task_type": "use purpose= ('query' or 'document')",
    "output_dimensionality": "use dimensions=",
    "output_dimension": "use dimensions=",
    "dimension": "use dimensions=",
    "encoding_format": "the vectors are always lists of numbers",
}
"""The same for embeddings, before those."""

_CLIENT: Final[Mapping[str, str]] = {
    "api_key": "use api_keys={'openai': …}: a key for each provider, by its name",
    "key": "use api_keys={'openai': …}: a key for each provider, by its name",
    "keys": "use api_keys={'openai': …}: a key for each provider, by its name",
    "token": "use api_keys={'openai': …}: a key for each provider, by its name",
    "auth_token": "use api_keys={'openai': …}: a key for each provider, by its name",
    "base_url": _ADDRESS,
    "api_base": _ADDRESS,
    "base_urls": _ADDRESS,
    "endpoint": _ADDRESS,
    "azure_endpoint": _ADDRESS,
    "url": _ADDRESS,
    "host": _ADDRESS,
    "api_version": f"{_TABLE} base_url or options",
    "organization": f"{_TABLE} headers",
    "project": f"{_TABLE} headers",
    "headers": f"{_TABLE} headers; for one call use chat(extra_headers=…)",
    "default_headers": f"{_TABLE} headers; for one call use chat(extra_headers=…)",
    "extra_headers": f"{_TABLE} headers; for one call use chat(extra_headers=…)",
    "default_query": f"{_TABLE} base_url",
    "options": f"{_TABLE} options; for one call use chat(options=…)",
    "model": "name it in the call: chat(model=…); the default is [default] model in the configuration",
    "default_model": "name it in the call: chat(model=…); the default is [default] model in the configuration",
    "models": 'name one in the call: chat(model=…) or chat(chain=[…]); facts are set in [models."provider/model"]',
    "needs": "name them in the call: chat(needs=…); sets of needs with a name are set in [needs]",
    "chain": "name it in the call: chat(chain=…); chains with a name are set in [chains.NAME]",
    "chains": "name one in the call: chat(chain=…); chains with a name are set in [chains.NAME]",
    "fallbacks": "name them in the call: chat(chain=[…]); chains with a name are set in [chains.NAME]",
    "provider": "name it in the call: chat(model='provider/model'), or use providers= for your own providers",
    "order": "set it in the configuration: order",
    "order_by": "set it in the configuration: order_by",
    "weights": "set it in the configuration: weights",
    "retries": "use retry=",
    "max_retries": "use retry=",
    "num_retries": "use retry=",
    "request_timeout": "use timeout=",
    "circuit_breaker": "use breaker=",
    "max_concurrency": "use concurrency=",
    "max_connections": "use concurrency=",
    "proxies": "use proxy=",
    "http_proxy": "use proxy=",
    "trust_env": "use environment_proxies=",
    "verify": "use ca_file=",
    "ssl": "use ca_file=",
    "ssl_context": "use ca_file=",
    "cert": "use ca_file=",
    "http_client": "use transport=",
    "session": "use transport=",
    "callbacks": "use observers=",
    "hooks": "use observers= or middleware=",
    "logger": "use observers=",
    "telemetry": "use observers=[Telemetry()]",
    "tracer": "use observers=[Telemetry()]",
    "tracer_provider": "use observers=[Telemetry(tracer_provider=…)]",
    "env": "use environ=",
    "config_file": "use config=",
    "settings": "use config=; for one call give them to chat(…), such as chat(temperature=…)",
}
"""Names for what is set for a client, or from other libraries for it."""

_FOR_CLIENT: Final[Mapping[str, str]] = {
    **{name: f"set it for the client: Client({name}=…)" for name in _OF_CLIENT},
    "retry": "set it for the client: Client(retry=…)",
    "api_key": "set it for the client: Client(api_keys={'provider': …})",
    "api_keys": "set it for the client: Client(api_keys={'provider': …})",
    **dict.fromkeys(("retries", "max_retries", "num_retries"), "set it for the client: Client(retry=…)"),
    **dict.fromkeys(("base_url", "api_base", "endpoint", "azure_endpoint"), f"{_TABLE} base_url"),
}
"""What a call does not have, but a client."""


def unknown_argument(where: str, name: str) -> str:
    """The message about an argument that ``where`` (a method, or ``Client``) does not have."""
    instead = _instead_at_client(name) if where == "Client" else _instead_in_call(where, name)
    told = f"{where}({name}=…): unknown argument {name!r}"
    return f"{told}; {instead}" if instead else told + nearest(name, _ARGUMENTS.get(where, ()))


def _instead_in_call(where: str, name: str) -> str | None:
    if where == "embed":
        if name in _EMBED:
            return _EMBED[name]
        if name in _OF_CHAT:
            return "it is not an argument for embeddings, only for chat(…) and stream(…)"
    return _CHAT.get(name) or _FOR_CLIENT.get(name)


def _instead_at_client(name: str) -> str | None:
    if name in _CLIENT:
        return _CLIENT[name]
    if name.endswith(("_api_key", "_key", "_token")):
        return _CLIENT["api_key"]
    if name in _OF_CHAT:
        return f"give it to the call: chat({name}=…)"
    if name in _CHAT:
        instead = _CHAT[name]
        return f"in the call chat(…), {instead}" if instead.startswith("use ") else instead
    return None


def known_arguments(where: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`segue.constraints.known_arguments` with the names that this module knows."""
    return constraints.known_arguments(where, lambda where, name, _: TypeError(unknown_argument(where, name)))


def refused(told: str) -> Any:
    """A method that raises a TypeError: for a way to use an object that looks right, but is not."""

    def refuse(*_: object) -> NoReturn:
        raise TypeError(told)

    return refuse


# ── attributes ───────────────────────────────────────────────────────────────────────────────────────

_ASK: Final = "call client.chat(messages, model=…)"
_NOT_SENT: Final = (
    "Segue sends requests for answers and embeddings only: client.chat(…), client.stream(…), client.embed(…)"
)
_CLIENT_LACKS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("responses", "messages", "completions", "completion", "complete", "beta", "create"), _ASK),
    **dict.fromkeys(("generate", "generate_content", "invoke", "ainvoke", "ask", "run", "prompt", "acompletion"), _ASK),
    **dict.fromkeys(("embeddings", "embedding", "embed_content", "aembedding"), "call client.embed(inputs, model=…)"),
    **dict.fromkeys(("with_options", "with_raw_response"), "give timeout= to the call, and retry= to the Client"),
    **dict.fromkeys(("images", "audio", "files", "batches", "moderations", "vector_stores", "fine_tuning"), _NOT_SENT),
    "close": "use `async with Client() as client:`, or `await client.aclose()`",
    "aclose": "use `with Client() as client:`, or client.close()",
}
_STREAM_LACKS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("text_stream", "text_deltas", "stream_text", "content", "choices", "delta"), "use stream.text()"),
    **dict.fromkeys(
        ("get_final_message", "get_final_completion", "get_final_response", "get_final_text", "until_done"),
        "use stream.reply(), which reads the rest and returns the whole answer",
    ),
    **dict.fromkeys(("usage", "cost", "response", "message", "result"), "it is in the whole answer: stream.reply()"),
    "close": "use `async with`, or `await stream.aclose()`",
    "aclose": "use `with`, or stream.close()",
}
_METHODS_LACK: Final[Mapping[str, Mapping[str, str]]] = {
    "chat": {"completions": _ASK},
    "models": {"list": "call client.models() for the declared models, or client.live_models() to ask the hosts"},
}


class _Inside:
    """What another library has inside of a method's name, such as ``client.chat.completions``."""

    def __init__(self, path: str, instead: str) -> None:
        self._path = path
        self._instead = instead

    def __getattr__(self, name: str) -> Never:
        raise AttributeError(f"there is no {self._path}.{name}: {self._instead}")

    def __call__(self, *_: object, **_named: object) -> Never:
        raise AttributeError(f"there is no {self._path}(): {self._instead}")


def mark_client(kind: type[object]) -> None:
    """Let an attribute that clients of other libraries have say what to write instead."""
    for method, lacks in _METHODS_LACK.items():
        for name, instead in lacks.items():
            setattr(getattr(kind, method), name, _Inside(f"client.{method}.{name}", instead))
    _mark(kind, _CLIENT_LACKS)


def mark_stream(kind: type[object]) -> None:
    """The same for a stream."""
    _mark(kind, _STREAM_LACKS)


def _mark(kind: type[object], lacks: Mapping[str, str]) -> None:
    # Set from outside, or else type checkers would take every attribute for one that may be there.
    def __getattr__(self: object, name: str) -> Never:  # noqa: N807 - it becomes one
        told = f"{type(self).__name__!r} object has no attribute {name!r}"
        instead = None if hasattr(kind, name) else lacks.get(name)
        raise AttributeError(f"{told}: {instead}" if instead else told, name=name, obj=self)

    setattr(kind, "__getattr__", __getattr__)  # noqa: B010 - as above
