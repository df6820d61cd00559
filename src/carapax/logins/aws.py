"""The access keys of Amazon Web Services, where its own tools look for them: the environment, then `~/.aws`.

The files: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html. They are written by `aws` and only read
here, anew for each request, since keys in them are often replaced every few hours.
"""

import re
from collections.abc import Mapping
from configparser import Error, RawConfigParser
from pathlib import Path

from carapax.clock import Clock
from carapax.contracts import SecretStore
from carapax.errors import ModelUnauthorized
from carapax.http import Http
from carapax.models.credential import Credential
from carapax.models.sigv4 import Keys
from carapax.redaction import Secret

_NAME = "aws"
_ELSEWHERE = ("sso_session", "sso_start_url", "credential_process", "role_arn", "login_session")


class Aws:
    """The keys of AWS_ACCESS_KEY_ID, else those of the profile that AWS_PROFILE names; the region of AWS_REGION, else
    of AWS_DEFAULT_REGION, else of the profile."""

    def __init__(
        self, vault: SecretStore, http: Http, clock: Clock, environ: Mapping[str, str], home_dir: Path
    ) -> None:
        self._environ = environ
        self._profile = environ.get("AWS_PROFILE", "").strip() or "default"
        self._credentials = Path(environ.get("AWS_SHARED_CREDENTIALS_FILE") or home_dir / ".aws" / "credentials")
        self._config = Path(environ.get("AWS_CONFIG_FILE") or home_dir / ".aws" / "config")

    async def get(self) -> Credential:
        told = {name.lower(): value.strip() for name, value in self._environ.items() if name.startswith("AWS_")}
        region = told.get("aws_region") or told.get("aws_default_region")
        keys = _keys(told, "the environment")
        if keys is None or not region:
            profile = self._read()
            region = region or profile.get("region", "")
            keys = keys or _keys(profile, f"the profile {self._profile!r}") or self._refuse(profile)
        if not re.fullmatch(r"[a-z0-9-]*", region):
            raise ModelUnauthorized(f"{region!r} is no region of AWS", "check AWS_REGION", vendor=_NAME)
        return Credential(keys.pack(), region=region)

    async def renew(self, refused: Credential) -> Credential | None:
        """The keys that were written since, if there are others."""
        found = await self.get()
        return found if found.key != refused.key else None

    def _read(self) -> dict[str, str]:
        """The profile as both files have it; the one for credentials counts first."""
        section = "default" if self._profile == "default" else f"profile {self._profile}"
        return {**_section(self._config, section), **_section(self._credentials, self._profile)}

    def _refuse(self, profile: Mapping[str, str]) -> Keys:
        where = f"{self._credentials} or {self._config}"
        if any(name in profile for name in _ELSEWHERE):
            raise ModelUnauthorized(
                f"the profile {self._profile!r} in {where} has no access key, but says where else to get one",
                f"run `aws configure export-credentials --profile {self._profile} --format env` and set what it prints",
                vendor=_NAME,
            )
        raise ModelUnauthorized(
            f"there is no access key in the environment, nor under the profile {self._profile!r} in {where}",
            "set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure`",
            vendor=_NAME,
        )


def _keys(told: Mapping[str, str], where: str) -> Keys | None:
    """Raises ModelUnauthorized for half a key, and for characters that no key has."""
    key_id, secret = told.get("aws_access_key_id", ""), told.get("aws_secret_access_key", "")
    token = told.get("aws_session_token", "")
    if not key_id and not secret:
        return None
    if not (key_id and secret):
        missing = "aws_secret_access_key" if key_id else "aws_access_key_id"
        raise ModelUnauthorized(f"the access key of {where} has no {missing}", "set both", vendor=_NAME)
    if not all(re.fullmatch(r"[!-9;-~]*", part) for part in (key_id, secret, token)):
        raise ModelUnauthorized(f"the access key of {where} has characters that no key has", "check it", vendor=_NAME)
    return Keys(key_id, Secret(secret), Secret(token))


def _section(path: Path, name: str) -> dict[str, str]:
    """A section of a file; nothing when there is no such section or file."""
    parser = RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, Error) as error:
        why = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise ModelUnauthorized(f"{path} cannot be read: {why}", "check the file", vendor=_NAME) from None
    return {key: value.strip() for key, value in parser.items(name) if value} if parser.has_section(name) else {}


EXTENSION = Aws
