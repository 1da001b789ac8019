"""What is taken out of a recording: secrets in whatever form a text has them, and names of accounts."""

from __future__ import annotations

import base64
import json
import random
from urllib.parse import quote

import pytest

from segue.testing.scrubbing import (
    PLACEHOLDER,
    Scrubber,
    accounts_in,
    kept_headers,
    query_secrets,
    secrets_in,
    without_place,
)

KEY = 'sk-"canary"/0123+456=üß'

FORMS = {
    "plain": KEY,
    "JSON": json.dumps(KEY),
    "JSON in UTF-8": json.dumps(KEY, ensure_ascii=False),
    "JSON with escaped slashes": json.dumps(KEY).replace("/", "\\/"),
    "JSON inside of JSON": json.dumps(json.dumps({"key": KEY})),
    "percent-encoded": quote(KEY, safe=""),
    "percent-encoded in lower case": quote(KEY, safe="").lower().replace(KEY.lower(), KEY),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 for addresses": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "base64 of a text around it": base64.b64encode(f"user:{KEY}@host".encode()).decode(),
    "base64 one byte on": base64.b64encode(f"x{KEY}".encode()).decode(),
    "hex": KEY.encode().hex(),
    "HTML": KEY.replace('"', "&quot;"),
    "every character escaped": "".join(f"\\u{ord(character):04x}" for character in KEY),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_seen_in_every_form(form: str) -> None:
    """Wherever it stands in a text, in each form in which a host or a client may write it."""
    scrubber = Scrubber([KEY])
    assert scrubber.holds(f"before {FORMS[form]} after")
    assert not scrubber.holds("before and after")


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"JSON inside of JSON", "HTML", "every character escaped"}))
def test_a_secret_is_replaced(form: str) -> None:
    """After cleaning nothing of it is left, and what stands around it is."""
    scrubber = Scrubber([KEY])
    cleaned = scrubber.clean(f"before {FORMS[form]} after", "here")
    assert not scrubber.holds(cleaned)
    assert cleaned.startswith("before ")
    assert PLACEHOLDER in cleaned
    assert scrubber.touched == ["here"]


def test_random_keys_are_found_in_base64_at_every_place() -> None:
    """In base64 of longer bytes a key has three faces; each is found."""
    dice = random.Random(6)
    for _ in range(200):
        key = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz0123456789-_", k=dice.randrange(8, 60)))
        around = dice.randbytes(dice.randrange(9)), dice.randbytes(dice.randrange(9))
        assert Scrubber([key]).holds(base64.b64encode(around[0] + key.encode() + around[1]).decode())


def test_what_is_short_is_no_secret() -> None:
    """A key of a few letters, as local servers want one, would be found in any text."""
    scrubber = Scrubber(["", "ollama"])
    assert not scrubber.holds("ollama")
    assert scrubber.clean("ollama", "here") == "ollama"


def test_places_never_hold_the_secret() -> None:
    """Where it is left is told by the fields around it, also where it is the name of one."""
    scrubber = Scrubber(["canary-12345678"])
    value = {"a": [{"b": "x canary-12345678"}], "canary-12345678": {"c": "canary-12345678"}}
    assert list(scrubber.places(value)) == ["a[0].b", "a name in the file", "….c"]


def test_credentials_are_found_in_headers() -> None:
    """Of each scheme what is secret about it, of cookies their values, of others what their name says."""
    basic = base64.b64encode(b"user:password-123").decode()
    signed = "AWS4-HMAC-SHA256 Credential=AKIA12345678/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, "
    found = list(secrets_in([
        ("authorization", "Bearer token-123"), ("proxy-authorization", f"Basic {basic}"),
        ("authorization", f"{signed}Signature=abcdef012345"), ("x-amz-security-token", "session-123"),
        ("set-cookie", "__cf=cookie-123; path=/; domain=.openai.com"), ("cookie", "a=one-12345; b=two-12345"),
        ("x-gateway-key", "gateway-123"), ("content-type", "application/json"), ("x-amz-date", "20260101T000000Z"),
        ("www-authenticate", "Bearer realm=api"), ("x-ratelimit-remaining-tokens", "1000"),
    ]))  # fmt: skip
    assert {"token-123", "password-123", basic, "AKIA12345678", "abcdef012345", "session-123"} <= set(found)
    assert {"cookie-123", "one-12345", "two-12345", "gateway-123"} <= set(found)
    assert not {"application/json", ".openai.com", "/", "20260101T000000Z", "1000", "us-east-1"} & set(found)


def test_headers_of_who_asked_are_not_kept() -> None:
    """Those that describe the exchange are; credentials, organisations, cookies and unknown ones are not."""
    asked = {"content-type": "a", "accept": "b", "anthropic-version": "c", "anthropic-beta": "d"}
    dropped = {"authorization": "x", "x-api-key": "x", "openai-organization": "x", "user-agent": "x", "x-own": "x"}
    assert kept_headers([*asked.items(), *dropped.items()], asking=True) == asked
    came = {
        "content-type": "a", "date": "b", "retry-after": "1", "x-request-id": "r", "x-ratelimit-limit-tokens": "1",
        "anthropic-ratelimit-requests-reset": "x", "openai-processing-ms": "5", "x-amzn-errortype": "T",
    }  # fmt: skip
    dropped = {
        "set-cookie": "x", "openai-organization": "x", "openai-project": "x", "server": "x", "cf-ray": "x",
        "x-ratelimit-key": "x", "x-own": "x",
    }  # fmt: skip
    assert kept_headers([*came.items(), *dropped.items()], asking=False) == came


def test_an_address_loses_what_tells_of_an_account() -> None:
    """Credentials go, and names of accounts are replaced: in the path, in the host's name, in parameters."""
    accounts = accounts_in([("project", "my-shop"), ("resource", "my-res"), ("location", "europe-west4")])
    scrubber = Scrubber(["key-12345678"], accounts)

    clean = scrubber.clean_url
    vertex = "https://aiplatform.googleapis.com/v1/projects/{}/locations/europe-west4/models/m:generateContent"
    assert clean(vertex.format("my-shop")) == vertex.format("example-project")
    assert clean(vertex.format("another")) == vertex.format("example-project")
    assert clean("https://my-res.openai.azure.com/chat?api-version=2024-05-01&sig=abc") == (
        "https://example-resource.openai.azure.com/chat?api-version=2024-05-01"
    )
    assert clean("https://me:pass@a.example/v1?key=key-12345678&alt=sse") == "https://a.example/v1?alt=sse"
    assert clean("https://a.example/key-12345678/chat") == f"https://a.example/{PLACEHOLDER}/chat"
    assert set(query_secrets("https://u:pass-123@a.example/?key=key-123&alt=sse&q=x")) == {"pass-123", "key-123"}


def test_a_place_of_ones_own_is_an_example() -> None:
    """Host and path of a configured address go: the declared path comes instead, or ids in it are replaced."""
    gateway = "https://gw.acme.example:8443/v1/0123456789abcdef0123/llm"
    url = f"{gateway}/chat/completions?alt=sse"
    assert without_place(url, gateway, "https://api.a.example/v2/") == (
        "https://example-host/v2/chat/completions?alt=sse"
    )
    assert without_place(url, gateway, None) == "https://example-host/v1/example-id/llm/chat/completions?alt=sse"
    assert without_place("http://127.0.0.1:5/api/chat", "127.0.0.1:5", "http://127.0.0.1:11434") == (
        "http://example-host/api/chat"
    )


def test_an_account_of_aws_is_replaced_in_names_of_resources() -> None:
    """In an ARN, as it is and in an address; other numbers stay."""
    scrubber = Scrubber([])
    arn = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.m"
    assert scrubber.clean(f"{arn} 123456789012", "x") == (
        "arn:aws:bedrock:eu-west-1:000000000000:inference-profile/eu.m 123456789012"
    )
    assert "123456789012" not in scrubber.clean_url(f"https://a.example/model/{quote(arn, safe='')}/converse")


def test_a_key_with_its_middle_blotted_out_is_replaced() -> None:
    """As hosts quote one; what only begins alike stays."""
    scrubber = Scrubber(["sk-proj-canary-12345678"])
    for masked in ("sk-proj-**********5678", "sk-p…", "sk-proj-cana...78"):
        assert scrubber.clean(f"wrong key: {masked}.", "x") == f"wrong key: {PLACEHOLDER}."
    for other in ("sk-pr0j-****5678", "sk-proj-****9999", "and so on..."):
        assert scrubber.clean(other, "x") == other


def test_names_of_accounts_are_replaced_as_words() -> None:
    """A name that is part of another word stays."""
    scrubber = Scrubber([], accounts_in([("openai-organization", "acme-corp")]))
    assert scrubber.clean("in acme-corp, not in acme-corporation", "x") == (
        "in example-organization, not in acme-corporation"
    )
