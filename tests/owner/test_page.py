import pytest

from carapax.owner.challenges import Page
from carapax.owner.page import browser_of, page_at


@pytest.mark.parametrize(
    ("origin", "page"),
    [
        ("http://localhost:8080", Page("localhost", "http://localhost:8080")),
        ("https://gateway.example", Page("gateway.example", "https://gateway.example")),
        ("https://gateway.example:443", Page("gateway.example", "https://gateway.example")),
        ("https://gateway.example:8443", Page("gateway.example", "https://gateway.example:8443")),
        ("http://gateway.example", None),
        ("http://127.0.0.1:8080", None),
        ("https://127.0.0.1", None),
        ("https://[::1]:8080", None),
        ("", None),
    ],
)
def test_passkeys_belong_to_names_and_to_encrypted_pages_or_this_machine(origin: str, page: Page | None) -> None:
    assert page_at(origin) == page


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36", "Chrome, Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15.0; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, macOS"),
        ("curl/8.5", "curl/8.5"),
        ("evil\x1b[31m <script>" + "x" * 1000, "evil"),
        ("", ""),
    ],
)
def test_a_browser_is_told_in_two_words(agent: str, shown: str) -> None:
    assert browser_of(agent) == shown
