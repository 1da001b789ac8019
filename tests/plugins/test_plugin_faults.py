"""A plugin's own bug: the error says in which file, line and function, and shows nothing of the request."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from segue import Chain, Client, PluginError, ProtocolError, ProviderError, SegueError
from segue.cli.faults import told
from segue.plugin import AsyncGeneratorProvider, Model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PROMPT = "the-canary-prompt"

SOURCE = """
from segue.plugin import AsyncGeneratorProvider, Model


def look(messages):
    return {}[messages[0]["content"]]  # the text of this error is the prompt


class Acme(AsyncGeneratorProvider):
    models = ["m"]

    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield "one "
        yield look(messages)


class Whole:
    name = "acme"

    def models(self):
        return [Model("m", capabilities())]

    async def stream(self, request, context):
        look([{"content": request.messages[0].content}])
        yield

    async def embed(self, request, context):
        look([{"content": request.inputs[0]}])

    async def list_models(self, context):
        look([{"content": "the-canary-prompt"}])


def capabilities():
    from segue.plugin import Capabilities

    return Capabilities({"embeddings": True, "chat": True})
"""


@pytest.fixture(params=["package", "module", "below"])
def acme(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The provider in a package's __init__, in a single file, or in a module of a package; and the file to name."""
    file = {"package": "acme_of_tests/__init__.py", "module": "acme_of_tests.py", "below": "acme_of_tests/inner/it.py"}
    path = tmp_path / file[request.param]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    name = file[request.param].removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    yield importlib.import_module(name), file[request.param]
    for known in [known for known in sys.modules if known.startswith("acme_of_tests")]:
        del sys.modules[known]


async def _chat(client: Client) -> object:
    return await client.chat(PROMPT, model="acme/m")


async def _stream(client: Client) -> object:
    async with client.stream(PROMPT, model="acme/m") as stream:
        return [event async for event in stream]


async def _embed(client: Client) -> object:
    return await client.embed(PROMPT, model="acme/m")


async def _live(client: Client) -> object:
    raise (await client.live_models(provider="acme")).failures["acme"]


@pytest.mark.parametrize(
    ("form", "call"),
    [("Acme", _chat), ("Acme", _stream), ("Whole", _chat), ("Whole", _stream), ("Whole", _embed), ("Whole", _live)],
)
async def test_a_providers_bug_is_found_by_its_line(acme: Any, form: str, call: Callable[[Client], Any]) -> None:
    """The error names the deepest place in the provider's code; the text of the bug, a prompt, is not in it."""
    module, file = acme
    async with Client(providers=[getattr(module, form)], plugins=False, config=False, environ={}) as client:
        with pytest.raises(ProviderError) as caught:
            await call(client)
    error = caught.value
    assert str(error) == f"acme: the provider raised KeyError ({file}:6, in look)"
    assert PROMPT not in repr(error)
    assert told(error).splitlines()[1:] == ["  hint: `segue --debug …` shows the traceback of the plugin's error"]


async def test_the_place_is_known_in_a_chain_too(acme: Any) -> None:
    """Of several targets each bug is named with its place, and the hint stands once."""
    module, file = acme
    other = type("Other", (module.Acme,), {"__module__": module.__name__})
    async with Client(providers=[module.Acme, other], plugins=False, config=False, environ={}) as client:
        with pytest.raises(SegueError) as caught:
            await client.chat(PROMPT, chain=Chain("acme/m", "other/m"))
    assert str(caught.value).count(f"KeyError ({file}:6, in look)") == 2
    assert told(caught.value).count("--debug") == 1


def test_an_error_of_ours_or_of_a_host_has_no_such_hint() -> None:
    """The hint stands only where a traceback of other code explains more."""
    for error in (ProviderError("no", phase="plugin"), PluginError("no"), ProviderError("no")):
        assert "--debug" not in told(error)


# ── what is not a generator ──────────────────────────────────────────────────────────────────────────


class Returns(AsyncGeneratorProvider):
    """Returns its text."""

    models = ("m",)

    @classmethod
    async def create_async_generator(  # type: ignore[override]
        cls, model: str, messages: Any, proxy: str | None = None, **kwargs: Any
    ) -> str:
        return "text"


class Hidden(AsyncGeneratorProvider):
    """Does the same, behind a plain function."""

    models = ("m",)

    @classmethod
    def create_async_generator(cls, model: str, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return Returns.create_async_generator(model, messages)


class Bare(AsyncGeneratorProvider):
    """Takes no settings and no proxy."""

    models = ("m",)

    @classmethod
    async def create_async_generator(cls, model: str, messages: Any) -> Any:
        yield "text"


class Demanding(AsyncGeneratorProvider):
    """Wants more than it is given."""

    models = ("m",)

    @classmethod
    async def create_async_generator(cls, model: str, messages: Any, size: int, proxy: str | None = None) -> Any:
        yield "text"


AWAITS = "must be an async generator function (it awaits, but never yields), not <async function stream>"


class Awaited:
    """A provider whose stream is a coroutine."""

    name = "awaited"

    def models(self) -> list[Model]:
        """One."""
        return [Model("m")]

    async def stream(self, request: object, context: object) -> str:
        """Is awaited."""
        return "text"


class AwaitedLater(Awaited):
    """The same behind a plain function."""

    name = "awaitedlater"

    def stream(self, request: object, context: object) -> Any:
        """Is awaited."""
        return super().stream(request, context)


WRITE = "write create_async_generator(cls, model, messages, proxy=None, **kwargs)"
FIT = "create_async_generator does not fit a call with model, messages, proxy and settings"
YIELD = "must be an async generator (use yield)"


@pytest.mark.parametrize(
    ("provider", "wanted"),
    [
        (Returns, f"create_async_generator of Returns {YIELD}"),
        (Bare, f"Bare: create_async_generator has no parameter proxy: {WRITE}"),
        (Awaited, f"<class Awaited>.stream {AWAITS}"),
    ],
)  # fmt: skip
def test_a_wrong_form_is_refused_when_it_is_registered(provider: Any, wanted: str) -> None:
    """What can be seen without a call is said before one."""
    with pytest.raises(TypeError) as caught:
        Client(providers=[provider], plugins=False, config=False, environ={})
    assert str(caught.value) == f"Client(providers=…): providers[0]: {wanted}"


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize(
    ("provider", "wanted"),
    [
        (Hidden, f"create_async_generator {YIELD}"),
        (Demanding, f"{FIT}: missing a required argument: 'size'"),
        (AwaitedLater, f"stream {YIELD}"),
    ],
)  # fmt: skip
async def test_a_wrong_form_is_named_in_the_call(provider: Any, wanted: str, stream: bool) -> None:
    """What only a call shows is one line, which names the method and what it must be."""
    name = provider.__name__.lower()
    async with Client(providers=[provider], plugins=False, config=False, environ={}) as client:

        async def ask() -> None:
            if stream:
                await client.stream("hi", model=f"{name}/m").reply()
            else:
                await client.chat("hi", model=f"{name}/m")

        with pytest.raises(ProviderError) as caught:
            await ask()
    assert str(caught.value) == f"{name}: {wanted}"


class Wrong:
    """Gives values of other types than it should."""

    name = "wrong"

    def models(self) -> list[Model]:
        """One."""
        return [Model("m")]

    async def stream(self, request: object, context: object) -> AsyncIterator[Any]:
        """Nothing."""
        for event in list[Any]():
            yield event

    async def embed(self, request: object, context: object) -> None:
        """No vectors."""

    async def list_models(self, context: object) -> dict[str, str]:
        """No list."""
        return {"data": "m"}


async def test_wrong_results_are_named() -> None:
    """Vectors and lists of models of a wrong type are a ProtocolError that names the method."""
    async with Client(providers=[Wrong()], plugins=False, config=False, environ={}) as client:
        with pytest.raises(ProtocolError, match=r"embed of the provider returned NoneType, not Embeddings"):
            await client.embed("hi", model="wrong/m")
        listed = await client.live_models(provider="wrong")
    assert str(listed.failures["wrong"]) == "wrong: list_models of the provider did not return a list of Models"
