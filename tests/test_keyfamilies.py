"""What has the shape of a key. How many are found of how many families, S9 tells."""

import pytest

from carapax.keyfamilies import families_in

KEY = "ghp_" + "a1B2c3D4e5" * 4


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in families_in(text)]


@pytest.mark.parametrize("around", ["{}", "({})", "key={}", "https://x:{}@host/", "'{}';", "a\n{}\nb", "my_{}"])
def test_a_key_is_found_wherever_it_stands(around: str) -> None:
    assert found(around.format(KEY)) == [KEY]


def test_two_keys_in_a_line_are_both_found() -> None:
    assert found(f"{KEY} and {KEY}") == [KEY, KEY]


@pytest.mark.parametrize(
    "line",
    [
        'DATADOG_API_KEY="0a1b2c3d4e5f6789"',
        "datadog api key: 0a1b2c3d4e5f6789",
        "'x-api-key' => '0a1b2c3d4e5f6789'",
        '{"client_secret": "0a1b2c3d4e5f6789"}',
        "Authorization: Bearer 0a1b2c3d4e5f6789",
    ],
)
def test_what_is_given_to_the_name_of_a_key_is_one(line: str) -> None:
    assert found(line) == ["0a1b2c3d4e5f6789"]


@pytest.mark.parametrize(
    "line",
    [
        "x" + KEY,
        "ghp_short1",
        "api_key = read_the_key_of(provider, 2026)",
        "see the API key, then\n0a1b2c3d4e5f6789",
        "image = 0a1b2c3d4e5f6789",
        "secret_key = 1111111111111111",
        "sk-loading-spinner-animation-with-a-long-name-2",
        "-----BEGIN RSA PRIVATE KEY----- is how such a file begins",
    ],
)
def test_what_only_resembles_one_stays(line: str) -> None:
    assert found(line) == []


def test_a_private_key_is_found_as_a_whole() -> None:
    block = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nIB1n+/zz==\n-----END EC PRIVATE KEY-----"
    padded = block.replace("MHcCAQEE", "MHcCAQEE" * 8)
    assert found(f"a\n{padded}\nb") == [padded]


def test_a_private_key_that_is_cut_short_is_found_as_far_as_it_goes() -> None:
    block = "-----BEGIN PRIVATE KEY-----\nMHcCAQEEIB1n+/zzMHcCAQEEIB1n\nMHcCAQEEIB1n+/zzMHcC"
    for text in (f"{block}\n[the rest is left out]", block.replace("\n", "\\n") + '"'):
        assert [text[start:end] for start, end in families_in(text)] == [text[: text.rindex("zzMHcC") + 6]]
