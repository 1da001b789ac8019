"""``segue chat``."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, get_args

import pytest

from segue.cli import commands
from segue.events import Finish, Source, Start, TextDelta
from segue.messages import ReasoningEffort
from segue.testing import Answer, Body, CromicleHost, Cut, OpenAIHost, Stall, Status, refused_url
from segue.wire.openai_chat.server import render_stream

if TYPE_CHECKING:
    from .conftest import CommandLine

_PUBLIC = """
from segue.plugin import AsyncGeneratorProvider, hookimpl

class Commons(AsyncGeneratorProvider):
    url = "https://commons.invalid"
    working = True
    public = True
    supports_commons = True
    models = ["commons-1"]

    @classmethod
    async def create_async_generator(cls, model, messages, proxy=None, **kwargs):
        yield "from the commons"

@hookimpl
def segue_providers():
    return [Commons]
"""


def _openai(host: OpenAIHost) -> str:
    return f'[providers.openai]\napi_key = "k-secret"\nbase_url = "{host.url}"\n'


def _cromicle(url: str) -> str:
    return f'[providers.cromicle]\nbase_url = "{url}"\n'


# ── what is sent, what is printed ────────────────────────────────────────────────────────────────────


async def test_the_answer_goes_to_stdout_and_ends_its_line(cli: CommandLine) -> None:
    """The text is all that stands on stdout, with a newline after it."""
    async with CromicleHost(answer="hello") as host:
        ended = await cli("chat", "-m", "cromicle/gpt-3.5-turbo", "--config", cli.config(_cromicle(host.url)), "Hi")
    assert (ended.code, ended.out, ended.err) == (0, "hello\n", "")


async def test_an_answer_that_ends_its_line_gets_no_second_newline(cli: CommandLine) -> None:
    """A newline is added only where there is none."""
    async with CromicleHost(answer="hello\n") as host:
        ended = await cli("chat", "-m", "cromicle", "--config", cli.config(_cromicle(host.url)), "Hi")
    assert ended.out == "hello\n"


@pytest.mark.parametrize(
    ("words", "piped", "sent"),
    [
        (["two", "words"], b"", "two words"),
        ([], "piped é\n".encode(), "piped é\n"),
        (["Explain:"], b"a = 1\n", "Explain:\n\na = 1\n"),
        (["-"], b" \n", "-"),
    ],
)
async def test_the_message_is_the_arguments_and_what_is_piped_in(
    cli: CommandLine, words: list[str], piped: bytes, sent: str
) -> None:
    """Words are joined with spaces; piped text follows after an empty line."""
    async with OpenAIHost() as host:
        await cli("chat", "--config", cli.config(_openai(host)), *words, stdin=piped)
    assert host.requests[0].json["messages"] == [{"role": "user", "content": sent}]


async def test_system_and_settings_are_sent(cli: CommandLine) -> None:
    """Each option stands in the request."""
    async with OpenAIHost() as host:
        options = [
            "--system",
            "Be brief.",
            "--temperature",
            "0.5",
            "--top-p",
            "0.9",
            "--max-tokens",
            "3",
            "--seed",
            "7",
        ]
        ended = await cli(
            "chat", "--config", cli.config(_openai(host)), *options, "--stop", "END", "--stop", "FIN", "Hi"
        )  # fmt: skip
    sent = host.requests[0].json
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"], sent["seed"]) == (0.5, 0.9, 3, 7)
    assert sent["stop"] == ["END", "FIN"]
    assert "note: the answer ended with finish reason 'length'" in ended.err


async def test_every_setting_has_its_option(cli: CommandLine) -> None:
    """The less usual settings are sent too; what the wire has no word for is a note."""
    options = {"top-k": "5", "frequency-penalty": "0.5", "presence-penalty": "-1", "reasoning-effort": "low"}
    async with OpenAIHost() as host:
        given = [word for name, value in options.items() for word in (f"--{name}", value)]
        ended = await cli("chat", "--config", cli.config(_openai(host)), "-m", "openai/other", *given, "Hi")
    sent = host.requests[0].json
    assert (sent["frequency_penalty"], sent["presence_penalty"], sent["reasoning_effort"]) == (0.5, -1, "low")
    assert "top_k" in sent or "note: top_k" in ended.err


def test_the_efforts_are_those_of_a_request() -> None:
    """The option offers what the setting takes."""
    assert get_args(ReasoningEffort) == commands._EFFORTS


async def test_without_streaming_a_cut_answer_is_asked_of_the_next(cli: CommandLine) -> None:
    """``--no-stream`` shows nothing until it is whole."""
    async with OpenAIHost(answer="one two three", script=[Cut(200)]) as cut, CromicleHost(answer="whole") as whole:
        config = cli.config(_openai(cut) + _cromicle(whole.url))
        ended = await cli("chat", "--no-stream", "-m", "openai", "-m", "cromicle", "--config", config, "Hi")
    assert (ended.code, ended.out) == (0, "whole\n")


@pytest.mark.parametrize("whole", [[], ["--no-stream"]])
async def test_reasoning_is_shown_when_asked_for(cli: CommandLine, whole: list[str]) -> None:
    """In a pipe it goes to stderr, on a terminal it stands dimmed before the answer; unasked it stays away."""
    options = ["-m", "openai/gpt-5.4", *whole, "Hi"]
    async with OpenAIHost(script=[Answer("It is.", reasoning="Let me \x1b[2Jsee.")]) as host:
        config = cli.config(_openai(host))
        quiet = await cli("chat", "--config", config, *options)
        piped = await cli("chat", "--config", config, "--reasoning", *options)
        shown = await cli.on_terminal("chat", "--config", config, "--reasoning", *options)
    assert (quiet.out, quiet.err) == ("It is.\n", "")
    assert (piped.out, piped.err) == ("It is.\n", "Let me see.\n")
    assert re.fullmatch(r"(\x1b\[2m[^\x1b]+\x1b\[0m)+\r\n\r\nIt is\.\r\n", shown.out)
    assert re.sub(r"\x1b\[\dm", "", shown.out).startswith("Let me see.\r\n")


async def test_sources_follow_the_answer(cli: CommandLine) -> None:
    """Each once, on stderr, so that stdout is the answer alone."""
    events = [
        Start(), TextDelta("It is."), Source("https://example.org/a", "A\x1b[2J page", 0, 3),
        Source("https://example.org/b"), Source("https://example.org/a", None, 3, 6), Finish("stop"),
    ]  # fmt: skip
    body = Body(b"".join(render_stream(events, model="m")), content_type="text/event-stream")
    async with OpenAIHost(script=[body]) as host:
        ended = await cli("chat", "--config", cli.config(_openai(host)), "-m", "openai/gpt-5.4", "Hi")
    assert (ended.out, ended.err) == (
        "It is.\n",
        "sources:\n[1] A page: https://example.org/a\n[2] https://example.org/b\n",
    )


async def test_a_refusal_is_shown_as_the_answer(cli: CommandLine) -> None:
    """The model's words for why it does not answer are what there is to read."""
    async with OpenAIHost(script=[Answer(refusal="I would rather not.")]) as host:
        config = cli.config(_openai(host))
        streamed = await cli("chat", "--config", config, "-m", "openai/gpt-4o", "Hi")
        whole = await cli("chat", "--config", config, "-m", "openai/gpt-4o", "--no-stream", "Hi")
    assert streamed.out == whole.out == "I would rather not.\n"


async def test_json_has_tool_calls_reasoning_and_choices(cli: CommandLine) -> None:
    """All of the reply stands in the object, tool calls as the host said them."""
    script = [Answer(tool_calls=[("weather", {"city": "Rome"})], reasoning="Hm.")]
    async with OpenAIHost(script=script) as host:
        ended = await cli("chat", "--json", "--config", cli.config(_openai(host)), "-m", "openai/gpt-4o", "Hi")
    reply = json.loads(ended.out)
    (call,) = reply["tool_calls"]
    assert (call["name"], json.loads(call["arguments"])) == ("weather", {"city": "Rome"})
    assert (reply["reasoning"], reply["finish_reason"], len(reply["choices"])) == ("Hm.", "tool_calls", 1)
    assert {"parsed", "refusal", "sources", "limits", "usage", "cost"} <= reply.keys()


async def test_the_trace_ends_with_usage_and_cost(cli: CommandLine) -> None:
    """Tokens and USD where they are known, and that they are not where they are not."""
    async with OpenAIHost(answer="one two") as host, CromicleHost(answer="hello") as other:
        config = cli.config(_openai(host))
        known = await cli("chat", "--trace", "-m", "openai/gpt-4o", "--config", config, "one two three")
        unknown = await cli("chat", "--trace", "-m", "cromicle", "--config", cli.config(_cromicle(other.url)), "Hi")
    assert re.fullmatch(r"trace: tokens: 3 in, 2 out; cost: \$0\.0000\d+", known.err.splitlines()[-1])
    assert unknown.err.splitlines()[-1] == "trace: tokens: not reported; cost: unknown"


async def test_notices_go_to_stderr(cli: CommandLine) -> None:
    """A setting that was left out is told beside the answer, not in it."""
    async with CromicleHost(answer="hello") as host:
        config = cli.config(_cromicle(host.url))
        ended = await cli("chat", "-m", "cromicle", "--temperature", "1", "--config", config, "Hi")
    assert ended.out == "hello\n"
    assert "note: temperature:" in ended.err


async def test_json_is_one_object_with_the_whole_reply(cli: CommandLine) -> None:
    """``--json`` prints the text, who answered, and every attempt."""
    async with OpenAIHost(answer="hello é", script=[Status(503)]) as broken, CromicleHost(answer="hello é") as whole:
        config = cli.config(_openai(broken) + _cromicle(whole.url))
        ended = await cli("chat", "--json", "-m", "openai/gpt-4o", "-m", "cromicle", "--config", config, "Hi")
    reply = json.loads(ended.out)
    assert ended.out.count("\n") == 1
    assert (reply["text"], reply["provider"], reply["model"]) == ("hello é", "cromicle", "gpt-3.5-turbo")
    assert (reply["finish_reason"], reply["usage"], reply["cost"], reply["notices"]) == ("stop", None, None, [])
    told = [(one["outcome"], one["phase"], one["error"], one["status"]) for one in reply["attempts"]]
    assert told == [("failed", "headers", "OverloadedError", 503), ("answered", None, None, None)]


async def test_json_of_a_cut_answer_has_only_the_next_ones_text(cli: CommandLine) -> None:
    """Nobody saw the cut answer's beginning, so the next candidate starts again."""
    async with OpenAIHost(answer="one two three", script=[Cut(200)]) as cut, CromicleHost(answer="whole") as whole:
        config = cli.config(_openai(cut) + _cromicle(whole.url))
        ended = await cli("chat", "--json", "-m", "openai", "-m", "cromicle", "--config", config, "Hi")
    assert json.loads(ended.out)["text"] == "whole"


# ── who is asked ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_chain_goes_on_until_one_answers_and_the_trace_tells_of_it(cli: CommandLine) -> None:
    """Refused by the first, 503 from the second, answered by the third: each is told, in this order."""
    async with OpenAIHost(script=[Status(503)]) as host:
        config = cli.config(_openai(host) + _cromicle(refused_url()))
        ended = await cli(
            "chat", "--trace", "-m", "cromicle", "-m", "openai/gpt-4o-mini", "-m", "rehearsal", "--config", config, "Hi"
        )
    assert (ended.code, ended.out) == (0, "This is a rehearsal: no model was asked. You said: Hi\n")
    told = [line for line in ended.err.splitlines() if " failed at " in line or "answered" in line]
    assert [line.split()[1] for line in told[:3]] == [
        "cromicle/gpt-3.5-turbo", "openai/gpt-4o-mini", "rehearsal/rehearsal",
    ]  # fmt: skip
    assert "failed at connect: ConnectError" in told[0]
    assert "failed at headers: OverloadedError: HTTP 503" in told[1]
    assert told[-1] == "trace: answered by rehearsal/rehearsal"
    assert "k-secret" not in ended.err


async def test_a_chain_of_the_configuration_is_asked_by_its_name(cli: CommandLine) -> None:
    """``--chain`` takes the targets of ``[chains.NAME]``."""
    async with CromicleHost(answer="hello") as host:
        chain = '[chains.main]\ntargets = ["openai/gpt-4o", {needs = "supports_gpt_35_turbo"}]\n'
        ended = await cli("chat", "--chain", "main", "--config", cli.config(chain + _cromicle(host.url)), "Hi")
    assert (ended.code, ended.out) == (0, "hello\n")
    assert "note: chain: target 'openai/gpt-4o' was left out" in ended.err


async def test_an_unknown_chain_exits_2(cli: CommandLine) -> None:
    """A chain that nobody configured is a fault of the arguments."""
    ended = await cli("chat", "--chain", "mian", "--config", cli.config("[chains]\nmain = ['rehearsal']\n"), "Hi")
    assert (ended.code, ended.err) == (2, "error: no chain 'mian' is configured; did you mean 'main'?\n")


@pytest.mark.parametrize(
    "options",
    [
        ["--chain", "a", "-m", "b"],
        ["-m", "a", "-m", "b", "--needs", "tools"],
        ["--chain", "a", "--choose"],
        ["-m", "a", "-m", "b", "--choose"],
    ],
)
async def test_options_that_exclude_each_other_exit_2(cli: CommandLine, options: list[str]) -> None:
    """No option is dropped in silence."""
    ended = await cli("chat", *options, "Hi")
    assert (ended.code, ended.out) == (2, "")


async def test_with_nothing_configured_it_is_a_rehearsal_and_says_so(cli: CommandLine) -> None:
    """With no choice and no provider the offline one answers, told on stderr."""
    ended = await cli("chat", "Hi")
    assert (ended.code, ended.out) == (0, "This is a rehearsal: no model was asked. You said: Hi\n")
    assert ended.err.startswith("note: no provider is configured: this is a rehearsal, no model got the request")


async def test_a_configured_provider_that_fails_is_no_rehearsal(cli: CommandLine) -> None:
    """A failure is told as one, not covered by the offline provider."""
    ended = await cli("chat", "--config", cli.config(_cromicle(refused_url())), "Hi")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("error: cromicle: cannot connect (connection refused): ")


def _two_models(host: OpenAIHost) -> str:
    """A host of the user's own with two models of one size."""
    models = ", ".join(
        f'{{ name = "{name}", context = 1047576, input_price = {price}, output_price = {4 * price} }}'
        for name, price in (("large", 2.0), ("mini", 0.4))
    )
    return f'[providers.own]\nwire = "openai_chat"\nbase_url = "{host.url}"\nmodels = [{models}]\n'


async def test_who_was_chosen_by_needs_is_told(cli: CommandLine) -> None:
    """One line on stderr, faint on a terminal, says who answers, and of how many."""
    async with OpenAIHost(answer="fine") as host:
        config = cli.config(_two_models(host))
        options = ["chat", "--config", config, "--needs", "context>=1m", "Hi"]
        shown = await cli.on_terminal(*options)
        piped = await cli(*options)
    assert shown.out == ("\x1b[2mown/large answers (of 2 that satisfy context>=1m)\x1b[0m\r\nfine\r\n")
    assert (piped.out, piped.err) == ("fine\n", "own/large answers (of 2 that satisfy context>=1m)\n")


async def test_a_model_is_chosen_from_a_table(cli: CommandLine) -> None:
    """The candidates have numbers, context and prices; a number that is none of theirs is asked for again."""
    async with OpenAIHost(answer="fine") as host:
        ended = await cli.on_terminal(
            "chat", "--choose", "--config", cli.config(_two_models(host)), "--needs", "context>=1m", "Hi",
            steps=[("[1-2, Enter for 1]", "3\n"), ("from 1 to 2", ""), ("[1-2, Enter for 1]", "2\n")],
        )  # fmt: skip
    assert (ended.code, host.requests[0].json["model"]) == (0, "mini")
    row = next(line for line in ended.out.splitlines() if "own/mini" in line)
    assert re.sub(r"\x1b\[\d*m", "", row).split() == ["2", "own/mini", "1,047,576", "0.40", "1.60"]


async def test_choosing_wants_a_terminal_and_a_candidate(cli: CommandLine) -> None:
    """Where nobody can be asked, or there is nothing to choose, it is exit code 2."""
    async with OpenAIHost() as host:
        config = cli.config(_openai(host))
        nobody = await cli("chat", "--choose", "--config", config, "Hi")
        nothing = await cli.on_terminal("chat", "--choose", "--config", config, "--needs", "context>=100m", "Hi")
    assert (nobody.code, nobody.err) == (
        2,
        "error: --choose needs a terminal: name a model with --model\n",
    )
    assert nothing.code == 2
    assert "no model can get this request" in nothing.out


async def test_the_trace_shows_the_selection_that_was_made(cli: CommandLine) -> None:
    """What the message itself needs is part of it; those that are out take a few lines, however many they are."""
    (cli.folder / "schema.json").write_text('{"type": "object"}')
    asked = ["chat", "--trace", "--schema", "schema.json", "Hi"]
    named = await cli(*asked, "-m", "rehearsal", "--needs", "working")
    assert named.err.splitlines()[0] == "trace: wanted: rehearsal (working)"
    needs = await cli(*asked, "--needs", "working")
    assert "error: no key is set for a model that fits: set one of " in needs.err
    assert "\nno model can get this request\n" in needs.err
    trace = [line for line in needs.err.splitlines() if line.startswith("trace: ")]
    assert trace[:2] == ["trace: wanted: json_schema, working", "trace: candidates: none"]
    assert len(trace) <= 14
    assert re.fullmatch(r"trace:   - and \d+ more providers: .*", trace[-2])


async def test_needs_that_nobody_meets_are_no_rehearsal(cli: CommandLine) -> None:
    """Whoever chose is told that no model can get the request, and why."""
    ended = await cli("chat", "--needs", "context>=1m, working", "Hi")
    assert (ended.code, ended.out) == (2, "")
    first, *rest = ended.err.splitlines()
    assert first.startswith("error: no key is set for a model that fits: set one of ANTHROPIC_API_KEY, ")
    assert rest[:2] == ["no model can get this request", "wanted: context>=1m, working"]


async def test_a_missing_key_names_its_variable_and_where_to_get_it(cli: CommandLine) -> None:
    """Without its key a provider that was named is not asked: exit code 2."""
    ended = await cli("chat", "-m", "openai/gpt-4o-mini", "Hi")
    assert (ended.code, ended.out) == (2, "")
    assert "no key: set OPENAI_API_KEY (get one at https://platform.openai.com/api-keys)" in ended.err


async def test_a_public_host_is_sent_nothing_without_a_terminal_to_ask_on(cli: CommandLine) -> None:
    """Needs are no consent; the error says how to give it."""
    cli.plugin("commons", _PUBLIC)
    ended = await cli("chat", "--needs", "supports_commons", "Hi")
    assert (ended.code, ended.out) == (2, "")
    assert "name it (commons/commons-1) or add [providers.commons]" in ended.err


async def test_a_public_host_that_is_named_is_asked_without_a_question(cli: CommandLine) -> None:
    """A name is consent."""
    cli.plugin("commons", _PUBLIC)
    ended = await cli("chat", "-m", "commons", "Hi")
    assert (ended.code, ended.out) == (0, "from the commons\n")


@pytest.mark.parametrize("choice", [["--needs", "supports_commons"], ["-m", "commons-1"], ["--chain", "main"]])
async def test_on_a_terminal_a_public_host_is_asked_after_a_yes(cli: CommandLine, choice: list[str]) -> None:
    """Where only a public host is left the user is asked first, and a yes is consent."""
    cli.plugin("commons", _PUBLIC)
    config = cli.config("[chains.main]\ntargets = [{needs = 'supports_commons'}]\n")
    ended = await cli.on_terminal("chat", *choice, "--config", config, "Hi", wait_for="[y/N]", then="y\n")
    assert ended.code == 0
    assert "commons is a public host that takes anonymous calls; send your message to it? [y/N]: " in ended.out
    assert ended.out.endswith("from the commons\r\n")


async def test_on_a_terminal_a_no_sends_nothing(cli: CommandLine) -> None:
    """Without a yes it is the error that it is elsewhere."""
    cli.plugin("commons", _PUBLIC)
    ended = await cli.on_terminal("chat", "--needs", "supports_commons", "Hi", wait_for="[y/N]", then="\n")
    assert ended.code == 2
    assert "error: no model can get this request" in ended.out
    assert "from the commons" not in ended.out


async def test_an_interrupt_at_the_question_exits_130(cli: CommandLine) -> None:
    """Ctrl-C is no answer, and shows no traceback."""
    cli.plugin("commons", _PUBLIC)
    ended = await cli.on_terminal("chat", "--needs", "supports_commons", "Hi", wait_for="[y/N]", then=signal.SIGINT)
    assert ended.code == 130
    assert "Traceback" not in ended.out


async def test_broken_plugins_are_named_where_nobody_can_be_asked(cli: CommandLine) -> None:
    """A broken plugin that is named says why; where a model is missed, the broken ones are named."""
    cli.plugin("acme", "raise RuntimeError('no luck')")
    named = await cli("chat", "-m", "acme", "Hi")
    assert named.code == 2
    assert "error: plugin 'acme' of acme-dist: RuntimeError: no luck" in named.err
    ended = await cli("chat", "-m", "acme-1", "Hi")
    assert ended.code == 2
    assert "note: broken plugins: acme" in ended.err


# ── faults ───────────────────────────────────────────────────────────────────────────────────────────


async def test_when_all_fail_every_cause_is_told_on_one_line(cli: CommandLine) -> None:
    """Exit code 1, a line that names each, and below it what each host said and what helps."""
    async with OpenAIHost(script=[Status(429, retry_after="7")]) as host:
        config = cli.config(_openai(host) + _cromicle(refused_url()))
        ended = await cli("chat", "-m", "cromicle", "-m", "openai", "--config", config, "Hi")
    assert (ended.code, ended.out) == (1, "")
    first, *below = ended.err.splitlines()
    assert first.startswith("error: all 2 candidates failed: cromicle/gpt-3.5-turbo: cannot connect ")
    assert "; openai/" in first
    assert first.endswith(": HTTP 429")
    assert [line.split(": ")[0].strip() for line in below] == ["cromicle", "openai"]


async def test_how_long_a_host_asks_to_wait_is_told(cli: CommandLine) -> None:
    """Retry-After reaches the user."""
    async with OpenAIHost(script=[Status(429, retry_after="7")]) as host:
        ended = await cli("chat", "--config", cli.config(_openai(host)), "-m", "openai/gpt-4o", "Hi")
    assert ended.err.splitlines()[0].endswith("; the host asks to wait 7 s")


async def test_a_cut_answer_keeps_what_came_and_exits_1(cli: CommandLine) -> None:
    """The text so far stands on stdout, its line ended; that it is not whole is told."""
    async with CromicleHost(answer="one two three", script=[Cut(7)]) as host:
        ended = await cli("chat", "-m", "cromicle/gpt-3.5-turbo", "--config", cli.config(_cromicle(host.url)), "Hi")
    assert (ended.code, ended.out) == (1, "one two\n")
    assert ended.err.startswith("error: cromicle: ")


@pytest.mark.parametrize("piped", [b"", b" \n", b"\xff\xfe"])
async def test_no_message_and_a_message_that_is_no_text_exit_2(cli: CommandLine, piped: bytes) -> None:
    """There must be something to send, in UTF-8."""
    ended = await cli("chat", "-m", "rehearsal", stdin=piped)
    assert (ended.code, ended.out) == (2, "")


@pytest.mark.parametrize(
    "options",
    [["--temperature", "nan"], ["--max-tokens", "0"], ["--system", b"\xff".decode("utf-8", "surrogateescape")]],
)
async def test_a_setting_that_no_request_can_carry_exits_2(cli: CommandLine, options: list[str]) -> None:
    """It is refused before anything is sent."""
    ended = await cli("chat", "-m", "rehearsal", *options, "Hi")
    assert (ended.code, ended.out) == (2, "")


async def test_a_wrong_needs_expression_is_shown_with_its_place(cli: CommandLine) -> None:
    """A caret stands under the fault."""
    ended = await cli("chat", "--needs", "tools vision", "Hi")
    assert (ended.code, ended.err) == (2, "error: expected ',' before 'vision'\n  tools vision\n        ^\n")


async def test_a_missing_configuration_file_exits_2(cli: CommandLine) -> None:
    """A file that was named must be there."""
    ended = await cli("chat", "--config", "nowhere.toml", "Hi")
    assert (ended.code, ended.err) == (2, "error: nowhere.toml: the file does not exist\n")


async def test_an_interrupt_exits_130_and_hangs_up(cli: CommandLine) -> None:
    """Ctrl-C keeps what came, ends its line, closes the connection to the host, and shows no traceback."""
    async with CromicleHost(answer="one two three", script=[Stall("middle", after_tokens=1)]) as host:
        config = cli.config(_cromicle(host.url))
        process = await cli.start(
            "chat", "-m", "cromicle/gpt-3.5-turbo", "--config", config, "Hi", stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        async with asyncio.timeout(60):
            came = await process.stdout.read(3)
            process.send_signal(signal.SIGINT)
            rest, err = await process.communicate()
            await host.until_closed()
    assert (process.returncode, came + rest, err) == (130, b"one\n", b"interrupted\n")


async def test_a_reader_that_goes_away_ends_it_quietly(cli: CommandLine) -> None:
    """A closed pipe is exit code 141, with nothing on stderr, and the host is left."""
    async with CromicleHost(answer=["word\n"] * 5000, pace=0.002) as host:
        config = cli.config(_cromicle(host.url))
        process = await cli.start(
            "chat", "-m", "cromicle/gpt-3.5-turbo", "--config", config, "Hi", stdin=PIPE, stdout=PIPE, stderr=PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.close()
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"word\n"
            process.stdout._transport.close()  # type: ignore[attr-defined]  # asyncio has no public way to stop reading
            err = await process.stderr.read()
            code = await process.wait()
            await host.until_closed()
    assert (code, err) == (141, b"")


async def test_help_into_a_pipe_without_reader_is_quiet(cli: CommandLine) -> None:
    """Also what click prints meets a closed pipe without a complaint."""
    ended = await cli.shell("{ segue --help; echo $? >&2; } | true")
    assert ended.err.strip() in {"0", "141"}  # 0 where all of it was written before the reader left


async def test_a_full_disk_is_an_error_and_no_traceback(cli: CommandLine) -> None:
    """What cannot be written is told: exit code 1."""
    ended = await cli.shell("segue chat -m rehearsal Hi > /dev/full")
    assert (ended.code, ended.err) == (1, "error: input or output failed: [Errno 28] No space left on device\n")


@pytest.mark.parametrize(
    "command",
    [
        "chat -m row/m Hi", "-m row/m Hi", "chat --json -m row/m Hi", "embed -m row/m Hi", "models --live",
        "probe row/m", "record -m row/m Hi",
    ],
)  # fmt: skip
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
async def test_with_stdout_closed_nobody_is_asked(cli: CommandLine, command: str, closed: str) -> None:
    """An answer that nobody could see is not paid for: one line on stderr, if that is open, and exit code 1."""
    async with OpenAIHost(answer="hello") as host:
        row = f'[providers.row]\nwire = "openai_chat"\nbase_url = "{host.url}"\nmodels = ["m"]\n'
        ended = await cli.shell(f"segue {command} --config {cli.config(row)} </dev/null {closed}")
        assert not host.requests
    told = "error: input or output failed: stdout is closed, so the output cannot be shown (>/dev/null discards it)\n"
    assert (ended.code, ended.out, ended.err) == (1, "", told if closed == ">&-" else "")


async def test_with_stderr_closed_the_answer_comes(cli: CommandLine) -> None:
    """Remarks go nowhere, and nothing of ours is opened in the place of stderr."""
    async with OpenAIHost(answer="hello") as host:
        config = cli.config(_openai(host))
        ended = await cli.shell(f"segue chat -m openai/gpt-4o --trace --config {config} Hi 2>&- </dev/null")
    assert (ended.code, ended.out, ended.err) == (0, "hello\n", "")


async def test_debug_shows_where_it_happened(cli: CommandLine) -> None:
    """With ``--debug`` there is a traceback, with the same exit code and no key in it."""
    async with OpenAIHost(script=[Status(400)]) as host:
        config = cli.config(_openai(host))
        plain = await cli("chat", "--config", config, "-m", "openai/gpt-5.4-mini", "Hi")
        debug = await cli("--debug", "chat", "--config", config, "-m", "openai/gpt-5.4-mini", "Hi")
    assert (plain.code, plain.err.count("\n")) == (1, 2)
    assert debug.code == 1
    assert debug.err.startswith("Traceback (most recent call last):\n")
    assert "BadRequestError" in debug.err
    assert "k-secret" not in debug.err


async def test_a_fault_that_nobody_foresaw_is_one_line_too(cli: CommandLine) -> None:
    """A plugin's stray exception is one line with its place, then the way to see more; exit code 1."""
    cli.plugin("acme", _PUBLIC.replace("public = True", "").replace('yield "from the commons"', "yield 1 / 0"))
    ended = await cli("chat", "-m", "commons", "Hi")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 2)
    assert "ZeroDivisionError" in ended.err
    assert "segue --debug" in ended.err


# ── terminal and pipe ────────────────────────────────────────────────────────────────────────────────

_HOSTILE = ["safe\x1b", "[2J \x1b]0;tit", "le\x07text\r", "over \x9b31mred"]


async def test_a_terminal_never_gets_a_models_control_sequences(cli: CommandLine) -> None:
    """They are taken out, also where they come in pieces."""
    async with CromicleHost(answer=_HOSTILE) as host:
        ended = await cli.on_terminal(
            "chat", "-m", "cromicle/gpt-3.5-turbo", "--config", cli.config(_cromicle(host.url)), "Hi"
        )
    assert (ended.code, ended.out) == (0, "safe text\r\nover red\r\n")


async def test_a_pipe_gets_the_text_as_it_is(cli: CommandLine) -> None:
    """What a program reads is what the model said."""
    async with CromicleHost(answer=_HOSTILE) as host:
        ended = await cli("chat", "-m", "cromicle", "--config", cli.config(_cromicle(host.url)), "Hi")
    assert ended.out == "".join(_HOSTILE) + "\n"


async def test_an_encoding_that_lacks_a_character_is_no_crash(cli: CommandLine) -> None:
    """A character that stdout cannot carry is shown as another."""
    cli.environ["PYTHONIOENCODING"] = "ascii"
    async with CromicleHost(answer="caf\N{LATIN SMALL LETTER E WITH ACUTE}") as host:
        config = cli.config(_cromicle(host.url))
        ended = await cli("chat", "-m", "cromicle", "--config", config, "Hi")
        as_json = await cli("chat", "--json", "-m", "cromicle", "--config", config, "Hi")
    assert (ended.code, ended.out) == (0, "caf?\n")
    assert json.loads(as_json.out)["text"] == "caf\N{LATIN SMALL LETTER E WITH ACUTE}"


async def test_remarks_on_a_terminal_stand_on_lines_of_their_own(cli: CommandLine) -> None:
    """The trace begins after the answer's line has ended."""
    async with CromicleHost(answer="hello") as host:
        config = cli.config(_cromicle(host.url))
        ended = await cli.on_terminal("chat", "--trace", "-m", "cromicle", "--config", config, "Hi")
    assert "\r\nhello\r\ntrace: cromicle/gpt-3.5-turbo answered" in ended.out
