"""Whether this machine has AWS credentials, according to variables and files; it sends no request.

It decides whether Bedrock is available, and is imported whenever providers are listed. It does not import botocore,
which finds the credentials themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from configparser import SectionProxy

KEY: Final = "AWS_BEARER_TOKEN_BEDROCK"

# Any of the groups will do, if all of it is set (docs.aws.amazon.com/sdkref, «standardized credential providers»).
_VARIABLES: Final = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI",),
)
# What in a profile leads to credentials.
_LEADS: Final = frozenset({
    "aws_access_key_id", "credential_process", "login_session", "role_arn", "sso_account_id", "sso_session",
    "sso_start_url",
})  # fmt: skip


def obstacle(environ: Mapping[str, str], options: Mapping[str, object]) -> str | None:
    """Why there are no credentials, as far as variables and files show; None if there seem to be some."""
    named = options.get("profile")
    if named is None and any(all(environ.get(name) for name in group) for group in _VARIABLES):
        return None
    if options.get("instance_role"):
        return None
    profile = str(named or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default")
    if any(not _LEADS.isdisjoint(section) for section in _sections(environ, profile)):
        return None
    where = (
        "this machine has no AWS credentials"
        if profile == "default"
        else f"the AWS profile {profile!r} has no credentials"
    )
    return f"{where}: set {KEY}, or AWS_PROFILE, or see `aws configure`"


def _sections(environ: Mapping[str, str], profile: str) -> Iterator[SectionProxy]:
    """The settings of a profile in the two files of AWS; a file that cannot be read is ignored."""
    import configparser  # only where no variable tells enough

    home = environ.get("HOME") or environ.get("USERPROFILE")
    files = (
        ("AWS_SHARED_CREDENTIALS_FILE", "credentials", profile),
        ("AWS_CONFIG_FILE", "config", profile if profile == "default" else f"profile {profile}"),
    )
    for variable, usual, section in files:
        place = environ.get(variable) or (f"{home}/.aws/{usual}" if home else None)
        if place is None:
            continue
        parser = configparser.RawConfigParser()
        try:
            parser.read(Path(place).expanduser(), "utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        if parser.has_section(section):
            yield parser[section]
