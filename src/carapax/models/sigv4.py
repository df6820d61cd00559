"""AWS Signature Version 4, which shows that a request comes from whoever holds a secret key.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct

from carapax.models.credential import Credential
from carapax.models.server import Sent, bearer
from carapax.redaction import Secret

_ALGORITHM = "AWS4-HMAC-SHA256"
_PORTS = {"https": ":443", "http": ":80"}  # clients leave them out of Host
_REGION = re.compile(r"(?:^|\.)([a-z]{2,4}(?:-[a-z]+)+-\d+)\.")


class Keys(Struct, frozen=True):
    """An access key; one that lasts for hours only has a token."""

    id: str
    secret: Secret
    token: Secret = Secret("")

    def pack(self) -> Secret:
        """As one secret: `id:secret` or `id:secret:token`."""
        parts = (self.id, self.secret.reveal(), self.token.reveal())
        return Secret(":".join(part for part in parts if part))


def unpack(key: Secret) -> Keys | None:
    """The access key in a secret; None for a plain key, which has no colon."""
    name, colon, rest = key.reveal().partition(":")
    secret, _, token = rest.partition(":")
    return Keys(name, Secret(secret), Secret(token)) if colon else None


def authorize(credential: Credential, sent: Sent) -> Mapping[str, str]:
    """The headers that a request to Bedrock goes with: a signature by an access key, or a plain key as it is. The
    region is that of the address, or the credential's when the address names none."""
    keys = unpack(credential.key)
    if keys is None:
        return bearer(credential, sent)
    found = _REGION.search(urlsplit(sent.url).hostname or "")
    return sign(sent, {}, keys, found[1] if found else credential.region, "bedrock")


def sign(sent: Sent, headers: Mapping[str, str], keys: Keys, region: str, service: str) -> dict[str, str]:
    """The headers to add to a request whose URL is written as it is sent. `headers` are those of its own that the
    signature covers besides Host."""
    at = datetime.fromtimestamp(sent.at, UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"X-Amz-Date": at}
    if keys.token:
        added["X-Amz-Security-Token"] = keys.token.reveal()
    url = urlsplit(sent.url)
    covered = {name.lower(): " ".join(value.split()) for name, value in (*headers.items(), *added.items())}
    covered["host"] = url.netloc.rpartition("@")[2].lower().removesuffix(_PORTS.get(url.scheme, ""))
    names = ";".join(sorted(covered))
    lines = [f"{name}:{covered[name]}" for name in sorted(covered)]
    asked = (sent.method, _path(url.path), _query(url.query), *lines, "", names, sha256(sent.body).hexdigest())
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, at, scope, sha256("\n".join(asked).encode()).hexdigest()))
    key = f"AWS4{keys.secret.reveal()}".encode()
    for part in scope.split("/"):
        key = digest(key, part.encode(), "sha256")
    signature = digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={keys.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**added, "Authorization": f"{_ALGORITHM} {credential}"}


def _path(path: str) -> str:
    """The path is encoded once more than it is on the way."""
    return quote(path or "/", safe="/-_.~")


def _query(query: str) -> str:
    split = (pair.partition("=") for pair in query.split("&") if pair)
    pairs = sorted((_encoded(name), _encoded(value)) for name, _, value in split)
    return "&".join(f"{name}={value}" for name, value in pairs)


def _encoded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")
