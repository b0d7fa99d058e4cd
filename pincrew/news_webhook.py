"""Telling news to an address on the web (`on_event_url`): the item as JSON in a POST.

The address is a secret: who has it can speak in the user's name. So it is shown to nobody, in no output and in no log,
beyond the name of its server. It redirects as sources may: never away from https.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import httpx
import trio

import pincrew
from pincrew.errors import SourceUnreachable, WorldFault
from pincrew.follow.fetching import is_loopback
from pincrew.follow.source import check_redirect
from pincrew.limits import SOURCE_REDIRECTS_MAX, TELLING_POST_DELAYS_S, TELLING_POST_TIMEOUT_S

_REDIRECTS = {301, 302, 307, 308}
_WORTH_ANOTHER_TRY = {408, 425, 429}
_JITTER = 0.2


class Webhook:
    """The address. ``tell`` tries again a few times, later and later."""

    name = "on_event_url"

    def __init__(self, url: str, luck: random.Random, *, delays_s: Sequence[float] = TELLING_POST_DELAYS_S) -> None:
        self._url = url
        self._luck = luck
        self._delays_s = delays_s
        self.shown = shown_url(url)

    async def tell(self, fields: Mapping[str, object], body: bytes) -> str:
        """Post it. Raises WorldFault when the last try failed, or when another would fail as well."""
        for delay_s in self._delays_s:
            try:
                return await self._post(body)
            except _Passing:
                await trio.sleep(delay_s * self._luck.uniform(1 - _JITTER, 1 + _JITTER))
        return await self._post(body)

    async def _post(self, body: bytes) -> str:
        try:
            with trio.fail_after(TELLING_POST_TIMEOUT_S):
                return await self._post_along(body)
        except trio.TooSlowError as error:
            raise _Passing(f"{self.shown} does not answer within {TELLING_POST_TIMEOUT_S:g} s") from error

    async def _post_along(self, body: bytes) -> str:
        url = self._url
        for _ in range(SOURCE_REDIRECTS_MAX + 1):
            answer = await self._ask(url, body)
            if isinstance(answer, int):
                return f"{answer}"
            try:
                check_redirect(url, answer)
            except SourceUnreachable as error:
                # Not its own words: they name the address.
                raise WorldFault(f"{self.shown} sends us on to where nobody can be sure who listens") from error
            url = answer
        raise WorldFault(f"{self.shown} redirects more than {SOURCE_REDIRECTS_MAX} times")

    async def _ask(self, url: str, body: bytes) -> int | str:
        """Post once; return the code of success, or the next URL."""
        headers = {"User-Agent": f"pincrew/{pincrew.__version__}", "Content-Type": "application/json"}
        try:
            async with (
                httpx.AsyncClient(timeout=None, trust_env=not is_loopback(url), follow_redirects=False) as client,
                # The body of the answer is nobody's: it is not read.
                client.stream("POST", url, content=body, headers=headers) as answer,
            ):
                if answer.status_code in _REDIRECTS and "location" in answer.headers:
                    return str(answer.url.join(answer.headers["location"]))
                if answer.is_success:
                    return answer.status_code
                fault = f"{self.shown} answers {answer.status_code} {answer.reason_phrase}".rstrip()
                is_passing = answer.status_code >= 500 or answer.status_code in _WORTH_ANOTHER_TRY
                raise _Passing(fault) if is_passing else WorldFault(fault)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError, ValueError) as error:
            # The class says enough; the text may name the address.
            raise _Passing(f"{self.shown} cannot be reached: {type(error).__name__}") from error


class _Passing(WorldFault):
    """The address cannot be reached just now."""


def shown_url(url: str) -> str:
    """Return an address without anything in it that could be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}/…"
