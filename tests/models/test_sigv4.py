from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from botocore import auth  # type: ignore[import-untyped]  # it has no type hints
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]  # it has no type hints
from botocore.credentials import Credentials  # type: ignore[import-untyped]  # it has no type hints
from hypothesis import given
from hypothesis import strategies as st

from carapax.models.credential import Credential
from carapax.models.server import Sent
from carapax.models.sigv4 import Keys, authorize, sign, unpack
from carapax.redaction import Secret

AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
KEYS = Keys("AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HOST = "https://example.amazonaws.com"


@pytest.mark.parametrize(
    ("sent", "headers", "signature"),
    [
        pytest.param(
            Sent("GET", f"{HOST}/", b"", AT),
            {},
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            id="get-vanilla",
        ),
        pytest.param(
            Sent("POST", f"{HOST}/", b"", AT),
            {},
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            Sent("GET", f"{HOST}/?Param2=value2&Param1=value1", b"", AT),
            {},
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            id="get-vanilla-query-order-key-case",
        ),
        pytest.param(
            Sent("GET", f"{HOST}/\u1234", b"", AT),
            {},
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            id="get-utf8",
        ),
        pytest.param(
            Sent("GET", f"{HOST}/?\u1234=bar", b"", AT),
            {},
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            id="get-vanilla-utf8-query",
        ),
        pytest.param(
            Sent("GET", f"{HOST}/{UNRESERVED}", b"", AT),
            {},
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            id="get-unreserved",
        ),
        pytest.param(
            Sent("POST", f"{HOST}/", b"Param1=value1", AT),
            FORM,
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            id="post-x-www-form-urlencoded",
        ),
    ],
)
def test_the_published_suite_is_signed_as_published(sent: Sent, headers: dict[str, str], signature: str) -> None:
    names = "content-type;host;x-amz-date" if headers else "host;x-amz-date"
    scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    assert sign(sent, headers, KEYS, "us-east-1", "service") == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}",
    }


def test_the_example_of_the_guide_is_signed_as_there() -> None:
    sent = Sent("GET", "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", b"", AT)
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    signed = sign(sent, headers, KEYS, "us-east-1", "iam")["Authorization"]
    assert signed.endswith("Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")


def judged(sent: Sent, keys: Keys, region: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The headers that botocore makes."""
    monkeypatch.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(sent.at, UTC))
    request = AWSRequest(sent.method, sent.url, data=sent.body)
    token = keys.token.reveal() or None
    auth.SigV4Auth(Credentials(keys.id, keys.secret.reveal(), token), "bedrock", region).add_auth(request)
    return dict(request.headers.items())


WORD = st.text("abcXYZ019-_.~", min_size=1, max_size=8)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12)


@given(
    model=NAMES.filter(lambda name: name.strip(".")),
    query=st.lists(st.tuples(NAMES, NAMES), max_size=3),
    body=st.binary(max_size=40),
    at=st.integers(0, 4_000_000_000),
    keys=st.builds(Keys, WORD, st.builds(Secret, WORD), st.builds(Secret, st.just("") | WORD)),
)
def test_another_implementation_signs_the_same(
    model: str, query: list[tuple[str, str]], body: bytes, at: int, keys: Keys
) -> None:
    asked = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    url = f"https://bedrock-runtime.eu-west-1.amazonaws.com/model/{quote(model, safe=':')}/converse?{asked}"
    sent = Sent("POST", url.rstrip("?"), body, at)
    with pytest.MonkeyPatch.context() as monkeypatch:
        expected = judged(sent, keys, "eu-west-1", monkeypatch)
    assert sign(sent, {}, keys, "eu-west-1", "bedrock") == expected


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://bedrock-runtime.eu-central-1.amazonaws.com/model/m/converse", "eu-central-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/", "us-gov-west-1"),
        ("https://bedrock.cn-north-1.amazonaws.com.cn/", "cn-north-1"),
        ("https://vpce-0a1b-2c3d.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com/", "ap-southeast-2"),
        ("https://gateway.example/bedrock/", "eu-north-1"),
        ("http://127.0.0.1:8080/", "eu-north-1"),
    ],
)
def test_a_request_is_signed_for_the_region_it_goes_to(url: str, region: str) -> None:
    credential = Credential(KEYS.pack(), region="eu-north-1")
    assert f"/20150830/{region}/bedrock/" in authorize(credential, Sent("GET", url, b"", AT))["Authorization"]


@pytest.mark.parametrize("host", ["gateway.example", "Gateway.Example", "gateway.example:443", "me@gateway.example"])
def test_the_host_is_signed_as_clients_send_it(host: str) -> None:
    expected = sign(Sent("GET", "https://gateway.example/", b"", AT), {}, KEYS, "us-east-1", "bedrock")
    assert sign(Sent("GET", f"https://{host}/", b"", AT), {}, KEYS, "us-east-1", "bedrock") == expected
    other = sign(Sent("GET", "https://gateway.example:8443/", b"", AT), {}, KEYS, "us-east-1", "bedrock")
    assert other != expected


def test_a_plain_key_goes_as_it_is_and_no_key_not_at_all() -> None:
    sent = Sent("GET", HOST, b"", AT)
    assert authorize(Credential(Secret("ABSKexample")), sent) == {"Authorization": "Bearer ABSKexample"}
    assert authorize(Credential(), sent) == {}


@pytest.mark.parametrize("keys", [KEYS, Keys("ASIA", Secret("s"), Secret("t/+="))])
def test_keys_are_unpacked_as_they_were_packed(keys: Keys) -> None:
    assert unpack(keys.pack()) == keys
    assert "EXAMPLEKEY" not in repr(keys)
