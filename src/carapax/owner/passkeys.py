"""Passkeys: public keys whose other half an authenticator keeps, and uses only for the name they were made under, after
it has seen its owner (https://www.w3.org/TR/webauthn-3/)."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from carapax.clock import Clock
from carapax.errors import InvalidRequest, Unauthorized
from carapax.owner.challenges import LASTS_S, Challenges, Page
from carapax.store.audit import Actor
from carapax.store.owner import OwnerRecord, Passkey, Verifier

T = TypeVar("T")
Options = dict[str, object]
MOST = 50


class _ClientData(Struct):
    """What the browser says it was asked; the library checks the rest."""

    challenge: str
    crossOrigin: bool = False


class _Response(Struct):
    clientDataJSON: str


class _Answer(Struct):
    id: str
    response: _Response


class Passkeys:
    """The ceremonies by which passkeys are made and shown. `page` is where the browser has them, and must be the same
    at both ends of a ceremony."""

    def __init__(self, record: OwnerRecord, clock: Clock) -> None:
        self._record = record
        self._clock = clock
        self._challenges = Challenges(clock)

    async def begin_registration(self, page: Page, whose: str) -> Options:
        """What `navigator.credentials.create` is to be called with. Raises InvalidRequest when there are too many."""
        from webauthn import generate_registration_options  # noqa: PLC0415 - heavy, for passkeys only
        from webauthn.helpers import base64url_to_bytes, options_to_json_dict  # noqa: PLC0415 - the same
        from webauthn.helpers.structs import (  # noqa: PLC0415 - the same
            AuthenticatorSelectionCriteria,
            PublicKeyCredentialDescriptor,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        known = await self._record.passkeys()
        if len(known) >= MOST:
            raise InvalidRequest(f"there are {MOST} passkeys", "remove one that is not used")
        here = [PublicKeyCredentialDescriptor(base64url_to_bytes(each.id)) for each in known if each.host == page.host]
        options = generate_registration_options(
            rp_id=page.host,
            rp_name="Carapax",
            user_name="owner",
            user_display_name="Owner of this gateway",
            user_id=await self._record.handle(),
            challenge=self._challenges.make("register", page, whose),
            timeout=int(LASTS_S * 1000),
            exclude_credentials=here,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
        )
        return options_to_json_dict(options)

    async def register(self, page: Page, whose: str, name: str, answer: Mapping[str, object], who: Actor) -> Passkey:
        """Keep what `navigator.credentials.create` has made. Raises InvalidRequest for what does not answer what was
        asked, Conflict for a passkey that is known."""
        from webauthn import verify_registration_response  # noqa: PLC0415 - heavy, for passkeys only
        from webauthn.helpers import bytes_to_base64url  # noqa: PLC0415 - the same

        _, challenge = _read(answer)
        if not self._challenges.take(challenge, "register", page, whose):
            raise _refused("it answers no question that is open")
        made = _checked(
            lambda: verify_registration_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=page.host,
                expected_origin=page.origin,
                require_user_verification=True,
            )
        )
        passkey = Passkey(bytes_to_base64url(made.credential_id), name, page.host, self._clock.now())
        await self._record.add(Verifier(passkey, made.credential_public_key, made.sign_count), who)
        return passkey

    def begin(self, page: Page) -> Options:
        """What `navigator.credentials.get` is to be called with. It names no passkey: it tells a stranger nothing."""
        from webauthn import generate_authentication_options  # noqa: PLC0415 - heavy, for passkeys only
        from webauthn.helpers import options_to_json_dict  # noqa: PLC0415 - the same
        from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415 - the same

        options = generate_authentication_options(
            rp_id=page.host,
            challenge=self._challenges.make("sign in", page),
            timeout=int(LASTS_S * 1000),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    async def verify(self, page: Page, answer: Mapping[str, object]) -> Passkey:
        """The passkey that has answered, after what was checked of it: the question, the page, that it has seen its
        owner, its signature, and that its counter went on. Raises Unauthorized, which says no more than that."""
        from webauthn import verify_authentication_response  # noqa: PLC0415 - heavy, for passkeys only

        try:
            named, challenge = _read(answer)
            known = await self._record.verifier(named)
            if (
                not self._challenges.take(challenge, "sign in", page)
                or known is None
                or known.passkey.host != page.host
            ):
                raise _refused("it is not known here")
            done = _checked(
                lambda: verify_authentication_response(
                    credential=dict(answer),
                    expected_challenge=challenge,
                    expected_rp_id=page.host,
                    expected_origin=page.origin,
                    credential_public_key=known.public_key,
                    credential_current_sign_count=known.counter,
                    require_user_verification=True,
                )
            )
        except InvalidRequest as error:
            raise Unauthorized("the passkey was refused", "try again, or sign in another way") from error
        await self._record.use(known, done.new_sign_count)
        return known.passkey


def _checked(verify: Callable[[], T]) -> T:
    """What the library says; the data is a stranger's, and whatever it trips over is a refusal."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - heavy, for passkeys only
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 - the same

    try:
        return verify()
    except (WebAuthnException, UnsupportedAlgorithm, ValueError, TypeError, LookupError, AttributeError) as error:
        raise _refused(str(error)) from error


def _read(answer: Mapping[str, object]) -> tuple[str, bytes]:
    """Which passkey answers which challenge. Raises InvalidRequest for what is no answer, or came out of a frame."""
    from webauthn.helpers import base64url_to_bytes  # noqa: PLC0415 - heavy, for passkeys only

    try:
        read = msgspec.convert(answer, _Answer)
        said = msgspec.json.decode(base64url_to_bytes(read.response.clientDataJSON), type=_ClientData)
        challenge = base64url_to_bytes(said.challenge)
    except (msgspec.MsgspecError, ValueError) as error:
        raise _refused("it is no answer of an authenticator") from error
    if said.crossOrigin:
        raise _refused("it was asked from a page of another site")
    return read.id, challenge


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"the passkey was refused: {why}", "try again")
