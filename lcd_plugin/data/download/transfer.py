"""HTTP: one request, its redirects and what its answer means; no files here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

MOST_REDIRECTS = 10
# What arrives is written in pieces of this size: small, so that slow lines lose little.
CHUNK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a download goes on trying, and how much it accepts.

    Attributes:
        retries: further tries of a file after troubles that may pass.
        backoff: seconds before the first of them; each next one waits twice as long.
        longest_wait: limit of a single wait, also where a server asks for a longer one.
        connect_timeout: seconds until a connection must stand.
        read_timeout: longest silence of a server in seconds.
        largest: limit of a file in bytes.
        largest_manifest: limit of the `SHA256SUMS.txt` in bytes.
    """

    retries: int = 5
    backoff: float = 0.5
    longest_wait: float = 60
    connect_timeout: float = 10
    read_timeout: float = 60
    largest: int = 64 << 30
    largest_manifest: int = 512 << 20

    def wait(self, tries: int, asked: float) -> float:
        """Seconds to wait after the `tries`-th failure, when the server asked for `asked`."""
        return min(max(self.backoff * 2.0 ** (tries - 1), asked), self.longest_wait)


class FetchError(Exception):
    """A file cannot be had; trying again at once does not help."""

    # Whether the server could not be reached, so that other files may fail alike.
    unreachable = False


class UnreachableError(FetchError):
    """A file cannot be had because the troubles of the network did not pass."""

    unreachable = True


class PassingError(Exception):
    """A trouble that may pass; `asked` is how many seconds the server wants to be left alone."""

    def __init__(self, reason: str, asked: float = 0) -> None:
        super().__init__(reason)
        self.asked = asked


def new_session() -> requests.Session:
    """A session; each thread needs its own."""
    session = requests.Session()
    session.headers["User-Agent"] = "lcd-bench"
    # Sizes, ranges and hashes are of the file itself.
    session.headers["Accept-Encoding"] = "identity"
    # Where it does not follow redirects it still reads all of their bodies; so it sees none.
    vars(session)["get_redirect_target"] = lambda response: None
    return session


def get(
    session: requests.Session, url: str, patience: Patience, start: int = 0
) -> requests.Response:
    """Ask for a file from byte `start` on; the answer is 200, 206 or, to a range only, 416.

    Raises:
        FetchError: any other answer that will not change.
        PassingError: no connection, or an answer that may change.
    """
    headers = {"Range": f"bytes={start}-"} if start else {}
    timeout = (patience.connect_timeout, patience.read_timeout)
    for _ in range(MOST_REDIRECTS + 1):
        try:
            response = session.get(
                url, headers=headers, timeout=timeout, stream=True, allow_redirects=False
            )
        except requests.Timeout as error:
            raise PassingError(f"{urlsplit(url).netloc} does not answer") from error
        except requests.ConnectionError as error:
            raise PassingError(f"no connection to {urlsplit(url).netloc}") from error
        except (requests.RequestException, ValueError) as error:
            raise FetchError(f"the request failed: {type(error).__name__}") from error
        if not response.is_redirect:
            return _accepted(response, start)
        response.close()
        url = _redirected(url, response.headers["Location"])
    raise FetchError(f"more than {MOST_REDIRECTS} redirects")


def body(response: requests.Response) -> Iterator[bytes]:
    """The body in pieces, as it was sent.

    Raises:
        PassingError: it ends too early.
    """
    try:
        yield from response.raw.stream(CHUNK, decode_content=False)
    except HTTPError as error:
        raise PassingError("the connection broke off") from error


def length(response: requests.Response) -> int | None:
    """Length of the body as announced, if it is."""
    announced = response.headers.get("Content-Length", "")
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "")
    return int(announced) if _is_number(announced) and not chunked else None


def starts_at(response: requests.Response, start: int) -> bool:
    """Whether a body is the rest of a file from byte `start` on."""
    content: str = response.headers.get("Content-Range", "")
    status: int = response.status_code
    return status == 206 and content.replace(" ", "").startswith(f"bytes{start}-")


def _accepted(response: requests.Response, start: int) -> requests.Response:
    status = response.status_code
    if status == 200 or (start and status in (206, 416)):
        return response
    after = response.headers.get("Retry-After", "")
    response.close()
    if status in (408, 429) or status >= 500:
        raise PassingError(f"the server answers {status}", int(after) if _is_number(after) else 0)
    if status in (401, 403):
        raise FetchError(
            f"the server refuses it ({status}); if the release asks for a login, sign its terms "
            f"and put the login into ~/.netrc"
        )
    if status in (404, 410):
        raise FetchError(f"the server does not have it ({status})")
    raise FetchError(f"the server answers {status}")


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError as error:
        raise FetchError(f"it is redirected to the unusable {location[:100]!r}") from error
    if scheme not in ("http", "https") or (scheme == "http" and url.startswith("https:")):
        raise FetchError(f"it is redirected to {target[:100]!r}, which is not followed")
    return target


def _is_number(text: str) -> bool:
    # Longer ones are no sizes, and Python refuses to read very long ones.
    return text.isascii() and text.isdigit() and len(text) < 20
