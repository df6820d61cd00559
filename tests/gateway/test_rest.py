from typing import Any

import pytest

from carapax.api import OPERATIONS
from carapax.errors import InvalidRequest, NotFound
from carapax.gateway.errors import MethodNotAllowed
from carapax.gateway.rest import Routes
from carapax.testing.gateway import gateway_client
from tests.running import run

ROUTES = Routes(OPERATIONS)


def found(method: str, path: str) -> tuple[str, dict[str, str]]:
    route = ROUTES.find(method, path)
    return route.operation.name, route.fields


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.paths])
def test_each_path_of_the_table_leads_to_its_operation(name: str) -> None:
    operation = OPERATIONS[name]
    for path in operation.paths:
        assert ROUTES.find(operation.method, path.replace("{", "").replace("}", "")).operation is operation


def test_words_in_braces_are_read_from_the_path() -> None:
    assert found("GET", "/api/sessions/a%20b?limit=1") == ("session.get", {"session": "a b"})
    assert found("GET", "/api/sessions/a%2Fb/events") == ("session.events", {"session": "a/b"})


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/sessions/", "/api//sessions", "/api/sessions/x/", "//", "/x/y"]
)
def test_a_path_that_nothing_has_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        ROUTES.find("GET", path)


def test_a_method_that_a_path_lacks_names_those_it_has() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        ROUTES.find("DELETE", "/api/sessions/x")
    assert caught.value.allowed == ("GET", "PATCH")


def test_a_path_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        ROUTES.find("GET", "/api/sessions/%ff")


def test_a_conversation_over_rest() -> None:
    async def main() -> list[Any]:
        async with gateway_client(["hello"]) as gateway:
            seen: list[Any] = []
            async with gateway.call("POST", "/api/sessions", json={"title": "talk"}) as response:
                seen.append(response.status)
                session = (await response.json())["id"]
            path = f"/api/sessions/{session}"
            async with gateway.call("POST", path + "/messages", json={"text": "hi", "wait": True}) as response:
                seen += [response.status, (await response.json())["reply"]["text"]]
            async with gateway.call("GET", path + "/messages?after=0&limit=100") as response:
                said = (await response.json())["messages"]
                seen.append([entry["message"]["role"] for entry in said])
            async with gateway.call("PATCH", path, json={"title": "renamed"}) as response:
                seen.append((await response.json())["title"])
            async with gateway.call("POST", path + "/end") as response:
                seen.append((await response.json())["state"])
            async with gateway.call("POST", path + "/messages", json={"text": "more"}) as response:
                seen += [response.status, (await response.json())["kind"], response.content_type]
            return seen

    problem = "application/problem+json"
    assert run(main()) == [201, 202, "hello", ["user", "assistant"], "renamed", "ended", 409, "conflict", problem]


REFUSED: list[tuple[str, str, dict[str, Any], int]] = [
    ("GET", "/api/sessions?limit=x", {}, 400),
    ("GET", "/api/sessions?limit=0", {}, 400),
    ("GET", "/api/sessions?limit=1&limit=2", {}, 400),
    ("GET", "/api/sessions?unknown=1", {}, 400),
    ("GET", "/api/sessions?title=%ff", {}, 400),
    ("GET", "/api/sessions/none?session=other", {}, 400),
    ("GET", "/api/sessions/none", {}, 404),
    ("POST", "/api/sessions?title=x", {"json": {}}, 400),
    ("POST", "/api/sessions", {"json": []}, 400),
    ("POST", "/api/sessions", {"json": {"title": 1}}, 400),
    ("POST", "/api/sessions", {"json": {"agent": "none"}}, 404),
    ("POST", "/api/sessions", {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400),
    ("POST", "/api/sessions", {"data": b'{"a":1,"a":2}', "headers": {"Content-Type": "application/json"}}, 400),
    ("POST", "/api/sessions", {"data": b"[" * 99, "headers": {"Content-Type": "application/json"}}, 400),
    ("POST", "/api/sessions", {"data": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
    ("POST", "/api/sessions", {"data": b"{}", "headers": {"Content-Type": "application/json; charset=utf-16"}}, 415),
    ("POST", "/api/sessions", {"json": {}, "headers": {"Content-Encoding": "gzip"}}, 415),
    ("POST", "/api/sessions", {"data": {"title": "form"}}, 415),
    ("POST", "/api/messages", {"json": {"text": "x" * 100_001}}, 413),
    ("POST", "/api/messages", {"json": {"text": "x" * 1_000_001}}, 413),
    ("POST", "/api/messages", {"json": {"text": "null \x00 byte"}}, 400),
    ("POST", "/api/messages", {"json": {"text": " \n"}}, 400),
    ("DELETE", "/api/sessions", {}, 405),
    ("PUT", "/rpc", {"json": {}}, 405),
    ("GET", "/rpc", {}, 405),
    ("POST", "/ws", {"json": {}}, 405),
    ("GET", "/ws", {}, 400),
    ("POST", "/health", {"json": {}}, 405),
    ("GET", "/web/../../etc/passwd", {}, 404),
]


def test_bad_requests_are_told_what_is_wrong() -> None:
    async def main() -> list[object]:
        wrong: list[object] = []
        async with gateway_client() as gateway:
            for method, path, options, status in REFUSED:
                async with gateway.call(method, path, **options) as response:
                    problem = await response.json(content_type="application/problem+json")
                    if response.status != status or problem["status"] != status or not problem["detail"]:
                        wrong.append((method, path, response.status, problem))
        return wrong

    assert run(main()) == []


def test_a_text_of_100_kb_is_taken() -> None:
    async def main() -> int:
        async with (
            gateway_client(["read"]) as gateway,
            gateway.call("POST", "/api/messages", json={"text": "x" * 100_000}) as response,
        ):
            return response.status

    assert run(main()) == 202
