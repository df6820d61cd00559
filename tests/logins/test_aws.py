from pathlib import Path

import pytest

from carapax.errors import ModelUnauthorized
from carapax.http import Http
from carapax.logins.aws import Aws
from carapax.models.credential import Credential
from carapax.redaction import Secret
from carapax.testing import FakeClock, MemoryVault
from tests.running import run

TOLD = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "envsecret"}
CREDENTIALS = """
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = default/secret+
region = eu-north-1

[work]
aws_access_key_id=ASIAWORK
aws_secret_access_key=worksecret
aws_session_token=worktoken==
"""
CONFIG = """
[default]
region = eu-west-1
output = json
s3 =
  max_concurrent_requests = 20

[profile work]
region = us-west-2
aws_access_key_id = AKIAOLD

[profile sso]
sso_session = mine
region = eu-central-1

[sso-session mine]
sso_start_url = https://mine.awsapps.com/start
"""


def login(home: Path, **environ: str) -> Aws:
    return Aws(MemoryVault(), Http(), FakeClock(), environ, home)


def found(home: Path, **environ: str) -> Credential:
    return run(login(home, **environ).get())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "credentials").write_text(CREDENTIALS)
    (folder / "config").write_text(CONFIG)
    return tmp_path


def test_the_environment_comes_first(home: Path) -> None:
    token = {"AWS_SESSION_TOKEN": "envtoken", "AWS_REGION": "ap-south-1", "AWS_DEFAULT_REGION": "us-east-1"}
    assert found(home, **TOLD, **token) == Credential(Secret("AKIAENV:envsecret:envtoken"), region="ap-south-1")


def test_the_region_may_be_that_of_the_profile(home: Path) -> None:
    assert found(home, **TOLD, AWS_PROFILE="work") == Credential(Secret("AKIAENV:envsecret"), region="us-west-2")


def test_the_files_say_what_the_environment_does_not(home: Path) -> None:
    assert found(home) == Credential(Secret("AKIADEFAULT:default/secret+"), region="eu-north-1")
    assert found(home, AWS_PROFILE="work") == Credential(Secret("ASIAWORK:worksecret:worktoken=="), region="us-west-2")
    assert found(home, AWS_PROFILE="work", AWS_DEFAULT_REGION="us-east-1").region == "us-east-1"


def test_the_files_may_be_elsewhere(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = s\n")
    credential = found(home, AWS_SHARED_CREDENTIALS_FILE=str(other), AWS_CONFIG_FILE=str(tmp_path / "none"))
    assert credential == Credential(Secret("AKIAOTHER:s"))


def test_keys_that_were_replaced_are_used_at_once(home: Path) -> None:
    aws = login(home)
    before = run(aws.get())
    assert run(aws.renew(before)) is None
    (home / ".aws" / "credentials").write_text(CREDENTIALS.replace("AKIADEFAULT", "AKIANEW"))
    renewed = Credential(Secret("AKIANEW:default/secret+"), region="eu-north-1")
    assert run(aws.renew(before)) == run(aws.get()) == renewed


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AWS_PROFILE": "nobody"}, "no access key in the environment, nor under the profile 'nobody'.*aws configure"),
        ({"AWS_PROFILE": "sso"}, "'sso' in .* where else to get one .*export-credentials --profile sso"),
        ({"AWS_ACCESS_KEY_ID": "AKIA"}, "of the environment has no aws_secret_access_key"),
        ({"AWS_SECRET_ACCESS_KEY": "s"}, "of the environment has no aws_access_key_id"),
        ({**TOLD, "AWS_SESSION_TOKEN": "a\nb"}, "characters that no key has"),
        ({**TOLD, "AWS_SECRET_ACCESS_KEY": "env:secret"}, "characters that no key has"),
        ({**TOLD, "AWS_REGION": "evil.example/"}, "'evil.example/' is no region"),
    ],
)
def test_what_cannot_be_used_is_told_with_what_to_do(home: Path, environ: dict[str, str], words: str) -> None:
    with pytest.raises(ModelUnauthorized, match=words) as raised:
        found(home, **environ)
    assert "secret:" not in str(raised.value)


def test_without_files_there_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(ModelUnauthorized, match="no access key"):
        found(tmp_path)


@pytest.mark.parametrize("text", [b"no section", b"\xff\xfe", b"[default]\n  = \n[default"])
def test_a_file_that_cannot_be_read_is_told_without_what_it_holds(home: Path, text: bytes) -> None:
    (home / ".aws" / "credentials").write_bytes(text)
    with pytest.raises(ModelUnauthorized, match="credentials cannot be read") as raised:
        found(home)
    assert "no section" not in str(raised.value)
