"""A key, wherever it was kept, reaches its host and shows nowhere else, whatever goes wrong."""

from __future__ import annotations

import contextlib
import io
import logging
import pickle
import traceback
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import keyring
import pytest
from held import held
from keyring.backend import KeyringBackend
from pydantic import SecretStr

from segue import Client, Retry, SegueError, Timeout
from segue.config.secrets import KeyStore
from segue.observation import AttemptStart, Observer
from segue.testing import Answer, Cut, Drop, Garbage, OpenAIHost, ProxyHost, Stall, Status, refused_url
from segue.wire import Call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

CANARY = "sk-canary-0123456789abcdef"
HOME = """
[providers.openai]
base_url = "{url}"
{key}
"""


class MemoryKeyring(KeyringBackend):
    """A keyring that forgets when the test is over."""

    priority = 1  # type: ignore[assignment]  # a plain number, as the backends have it

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    before, ring = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


class Home:
    """A user's folder, environment and what is said in code."""

    def __init__(self, folder: Path, ring: MemoryKeyring) -> None:
        self.folder = folder
        self.ring = ring
        self.environ = {"XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
        self.code: dict[str, Any] = {}
        self.asking: dict[str, Any] = {}
        self.key = ""

    def write(self, url: str) -> None:
        file = self.folder / "segue" / "segue.toml"
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_text(HOME.format(url=url, key=self.key))
        file.chmod(0o600)


def _environment(home: Home) -> None:
    home.environ["OPENAI_API_KEY"] = CANARY


def _named_variable(home: Home) -> None:
    home.environ["MY_OWN"] = CANARY
    home.key = 'api_key = "env:MY_OWN"'


def _file(home: Home) -> None:
    path = home.folder / "the-key"
    path.write_text(CANARY + "\n")
    path.chmod(0o600)
    home.key = f'api_key = "file:{path}"'


def _keyring(home: Home) -> None:
    home.ring.set_password("segue", "mine", CANARY)
    home.key = 'api_key = "keyring:mine"'


def _store(home: Home) -> None:
    (home.folder / "segue").mkdir(mode=0o700)
    KeyStore(home.folder / "segue" / "keys.toml").set("openai", CANARY)


def _toml(home: Home) -> None:
    home.key = f'api_key = "{CANARY}"'


def _code(home: Home) -> None:
    home.code["api_keys"] = {"openai": CANARY}


def _secret_in_code(home: Home) -> None:
    home.code["api_keys"] = {"openai": SecretStr(CANARY)}


def _configured_header(home: Home) -> None:
    home.environ["OPENAI_API_KEY"] = "sk-canary-other-0123456789"
    home.key = f'headers = {{ "X-Gateway-Key" = "{CANARY}" }}'


def _extra_header(home: Home) -> None:
    home.environ["OPENAI_API_KEY"] = "sk-canary-other-0123456789"
    home.asking["extra_headers"] = {"X-Gateway-Key": CANARY}


SLOTS = [
    _environment, _named_variable, _file, _keyring, _store, _toml, _code, _secret_in_code, _configured_header,
    _extra_header,
]  # fmt: skip
QUOTED = f"Incorrect API key provided: {CANARY}. You can find yours in your account."
FAULTS: dict[str, Any] = {
    "answer": Answer("hello"),
    "401 that quotes the key": Status(401, code="invalid_api_key", message=QUOTED),
    "500 that quotes the key": Status(500, body=QUOTED.encode(), headers={"content-type": "text/plain"}),
    "redirect": Status(302, headers={"location": "http://127.0.0.1:1/"}),
    "cut": Cut(200),
    "garbage": Garbage(QUOTED.encode()),
    "dropped": Drop("request"),
    "stalled": Stall("first_event"),
    "refused": None,
}


class Told(Observer):
    """All that was said in the course of a call, in any form."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def attempt_started(self, start: AttemptStart) -> None:
        self.texts.append(repr(start))

    def attempt_ended(self, attempt: Any) -> None:
        self.add(attempt)

    def add(self, *things: object) -> None:
        for thing in things:
            self.texts += [str(thing), repr(thing), f"{thing}"]
            for method in ("model_dump_json", "explain"):
                if hasattr(thing, method):
                    self.texts.append(str(getattr(thing, method)()))
            with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
                self.texts.append(pickle.dumps(thing).decode("latin-1"))  # what cannot be leaks nothing so
            if isinstance(thing, BaseException):
                self.texts += ["".join(traceback.format_exception(thing)), repr(thing.args), repr(vars(thing))]
                self.texts += held(thing).values()


@asynccontextmanager
async def _listening() -> AsyncIterator[io.StringIO]:
    """Everything that any logger says at DEBUG."""
    said, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(said), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield said
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: slot.__name__.strip("_"))
async def test_a_key_shows_nowhere(  # noqa: PLR0917 - fixtures
    slot: Callable[[Home], None],
    fault: str,
    tmp_path: Path,
    ring: MemoryKeyring,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """From each place of a key, through each fault: in the host's headers, in nothing that is said or raised."""
    monkeypatch.chdir(tmp_path)
    home, told = Home(tmp_path, ring), Told()
    slot(home)
    async with OpenAIHost(script=[FAULTS[fault] or Answer()]) as host, _listening() as said:
        home.write(refused_url() if FAULTS[fault] is None else host.url)
        client = Client(
            environ=home.environ,
            observers=[told],
            retry=Retry(count=0),
            timeout=Timeout(first_event=0.2),
            **home.code,
        )
        async with client:
            for ask in (client.chat, _streamed(client)):
                try:
                    told.add(await ask("Hello", model="openai/gpt-4o-mini", **home.asking))
                except SegueError as error:
                    told.add(error, *error.__dict__.get("attempts", ()))
            selection = client.select(model="openai/gpt-4o-mini")
            told.add(client, client.config, client.registry, selection, *client.models())
            told.add(*client.config.providers.values(), *client.registry.installed.values())
        if FAULTS[fault] is not None:
            assert len(host.requests) == 2
            assert all(CANARY in repr(received.headers) for received in host.requests)
    out, err = capfd.readouterr()
    for text in (*told.texts, said.getvalue(), out, err):
        assert CANARY not in text
        assert CANARY.removeprefix("sk-") not in text


def _streamed(client: Client) -> Callable[..., Any]:
    async def ask(messages: str, **asking: Any) -> Any:
        async with client.stream(messages, **asking) as stream:
            return await stream.reply()

    return ask


async def test_a_proxys_password_shows_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in the proxy's address reaches the proxy alone; errors, settings and logs do not have it."""
    monkeypatch.chdir(tmp_path)
    told = Told()
    async with OpenAIHost(script=[Status(500)]) as host, ProxyHost() as proxy, _listening() as said:
        address = proxy.url.replace("http://", f"http://me:{CANARY}@")
        async with Client(
            config={"proxy": address, "providers": {"openai": {"base_url": host.url}}},
            environ={"OPENAI_API_KEY": "sk-canary-other-0123456789"},
            retry=Retry(count=0),
        ) as client:
            with pytest.raises(SegueError) as caught:
                await client.chat("Hello", model="openai/gpt-4o-mini")
            told.add(caught.value, client.config, client)
        assert len(proxy.requests) == 1
    for text in (*told.texts, said.getvalue()):
        assert CANARY not in text


def test_a_call_shows_neither_headers_nor_body_nor_query() -> None:
    """The value that carries key and prompt to the transport tells only where it goes."""
    call = Call(f"https://a.example/v1?key={CANARY}", {"authorization": CANARY}, CANARY.encode())
    assert repr(call) == "Call(POST https://a.example/v1)"


HOSTILE = {
    "an address": '[providers.openai]\nbase_url = "{url}"',
    "a key": '[providers.openai]\napi_key = "env:HOME"',
    "a host of its own": '[providers.evil]\nwire = "openai_chat"\nbase_url = "{url}"\nmodels = ["gpt-4o-mini"]',
    "a host with the user's key": '[providers.evil]\nwire = "openai_chat"\nbase_url = "{url}"\n'
    'api_key = "env:OPENAI_API_KEY"',
    "a proxy": 'proxy = "{url}"',
    "the environment's proxies": "environment_proxies = true",
    "an authority": 'ca_file = "evil.pem"',
    "headers": '[providers.openai.headers]\nhost = "evil"',
    "a plugin": 'plugins = ["evil"]',
    "time without end": "[timeout]\ntotal = 1e9",
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_file_in_the_working_directory_does_nothing(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that came with a repository can name no address, key, proxy, authority or plugin: it is refused whole."""
    async with OpenAIHost() as evil:
        (tmp_path / "segue.toml").write_text(HOSTILE[what].format(url=evil.url))
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SegueError, match=r"segue\.toml:\d+: ") as caught:
            Client(environ={"OPENAI_API_KEY": CANARY, "XDG_CONFIG_HOME": str(tmp_path / "none")})
        assert CANARY not in str(caught.value)
        assert not evil.connections
