"""AWS credentials, which botocore finds and refreshes, and the signatures that they make.

botocore is imported with the first signed call: that takes 0.3 s, and finding credentials may read files, run a program
or call another service. All of this runs in a separate thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from segue.plugin import ConfigError, ProviderError

from .ambient import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segue.wire import Call

_SERVICE: Final = "bedrock"

# Providers of credentials in botocore's chain that ask another host.
_ASKING: Final = ("assume-role", "assume-role-with-web-identity", "sso", "login", "container-role", "iam-role")
_INSTANCE_ROLE: Final = "iam-role"


class Signer:
    """Signs calls with the credentials of a profile, or with those that botocore finds without one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str | None, bool], tuple[Any, Any]] = {}  # with the credentials that each found

    def forget(self) -> None:
        """Look for credentials again with the next call, for example after those in a file were refused."""
        with self._lock:
            self._sessions.clear()

    async def region(self, profile: str | None) -> str | None:
        """The region in the files of AWS."""
        return await asyncio.to_thread(self._region, profile)

    async def signed(self, call: Call, *, region: str, profile: str | None, instance_role: bool) -> Call:
        """The call with its signature; ConfigError if there are no credentials, ProviderError if they fail."""
        return await asyncio.to_thread(self._signed, call, region, profile, instance_role)

    def _region(self, profile: str | None) -> str | None:
        with _quietly():
            from botocore.session import Session  # type: ignore[import-untyped]

            region = Session(profile=profile).get_config_variable("region")
            return region if isinstance(region, str) else None

    def _signed(self, call: Call, region: str, profile: str | None, instance_role: bool) -> Call:
        with _quietly():
            from botocore.auth import SigV4Auth  # type: ignore[import-untyped]
            from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]

            # Renewed here where they are about to expire.
            credentials = self._credentials(profile, instance_role).get_frozen_credentials()
            request = AWSRequest(method=call.method, url=call.url, headers=dict(call.headers), data=call.body)
            SigV4Auth(credentials, _SERVICE, region).add_auth(request)
            return replace(call, headers={name.lower(): value for name, value in request.headers.items()})

    def _credentials(self, profile: str | None, instance_role: bool) -> Any:
        with self._lock:
            known = self._sessions.get((profile, instance_role))
            if known is None:
                known = _found(profile, instance_role)
                self._sessions[profile, instance_role] = known
        return known[1]


def _found(profile: str | None, instance_role: bool) -> tuple[Any, Any]:
    from botocore.session import Session

    session = Session(profile=profile)
    chain = session.get_component("credential_provider")
    if os.environ.get("SEGUE_NO_NETWORK", "0") not in {"", "0"}:
        for name in _ASKING:
            chain.remove(name)
    elif not instance_role:
        # Where there is no such service, asking it takes seconds.
        chain.remove(_INSTANCE_ROLE)
    credentials = session.get_credentials()
    if credentials is None:
        raise ConfigError(f"bedrock has no credentials: set {KEY}, or AWS_PROFILE, or see `aws configure`")
    return session, credentials


# ── botocore's words ─────────────────────────────────────────────────────────────────────────────────

_busy = threading.local()


def _tells_nothing(_: logging.LogRecord) -> bool:
    return not getattr(_busy, "here", False)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep what botocore says to itself: at the level DEBUG it logs tokens, and its errors may quote a program's."""
    from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound  # type: ignore[import-untyped]

    for name in ("auth", "endpoint", "parsers"):
        logging.getLogger(f"botocore.{name}").addFilter(_tells_nothing)
    _busy.here = True
    try:
        yield
    except ProfileNotFound:
        failure: Exception = ConfigError("bedrock: the files of AWS have no profile with the configured name")
    except (BotoCoreError, ClientError) as error:
        # Expired, refused, unreachable: another provider has other credentials.
        told = f"the AWS credentials are not available ({type(error).__name__})"
        failure = ProviderError(told, phase="send")
    else:
        return
    finally:
        _busy.here = False
    raise failure
