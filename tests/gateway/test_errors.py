import inspect

import pytest

from carapax import errors
from carapax.errors import CarapaxError, ModelBusy, RateLimited
from carapax.gateway.errors import kind_of, problem, told

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CarapaxError)]


def made(kind: type[CarapaxError]) -> CarapaxError:
    return kind("wrong", 7) if issubclass(kind, RateLimited) else kind("wrong", "do this")


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_status_and_a_code_of_ours(kind: type[CarapaxError]) -> None:
    status, code = told(made(kind))
    assert 400 <= status < 600
    assert code in (-32602, -32603) or -32099 <= code <= -32000


def test_only_what_nobody_can_help_is_an_internal_error() -> None:
    assert {kind.__name__ for kind in KINDS if told(made(kind)).status == 500} == {"Broken", "CarapaxError"}


def test_a_problem_says_what_was_wrong_and_what_to_do() -> None:
    found = problem(RateLimited("too fast", 7.5))
    assert (found.status, found.detail, found.kind, found.retry_after_s) == (429, "too fast", "rate_limited", 7.5)
    assert problem(ModelBusy("busy", retry_after_s=3)).retry_after_s == 3
    assert kind_of(errors.StoreFull("x")) == "store_full"
    assert problem(errors.InvalidRequest("wrong", fields={"agents.main.title": "too long"})).fields == {
        "agents.main.title": "too long"
    }
