import pytest
from msgspec import Struct
from msgspec.structs import fields

from carapax.api import OPERATIONS, Services
from carapax.api.operation import Operation, Scope, covers, operation
from carapax.errors import InvalidRequest


class Params(Struct, forbid_unknown_fields=True):
    name: str
    count: int = 1
    loud: bool = False


async def work(services: Services, params: Params) -> Params:
    return params


WORK = Operation("work", "read", work, Params, Params, "")


@pytest.mark.parametrize(
    ("given", "bound"),
    [
        ({"name": "a"}, Params("a")),
        (["a"], Params("a")),
        (["a", 2, True], Params("a", 2, True)),
        ({"name": "a", "count": 3.0}, Params("a", 3)),
    ],
)
def test_parameters_are_bound_by_name_or_in_order(given: dict[str, object] | list[object], bound: Params) -> None:
    assert WORK.bind(given) == bound


def test_text_is_read_as_numbers_only_where_it_comes_from_an_address() -> None:
    assert WORK.bind({"name": "a", "count": "2", "loud": "true"}, strict=False) == Params("a", 2, True)
    with pytest.raises(InvalidRequest, match=r"work: Expected `int`, got `str` - at `\$.count`"):
        WORK.bind({"name": "a", "count": "2"})


@pytest.mark.parametrize("given", [{}, [], {"name": 1}, {"name": "a", "other": 1}, ["a", 1, True, 4], {"name": None}])
def test_what_does_not_fit_is_refused(given: dict[str, object] | list[object]) -> None:
    with pytest.raises(InvalidRequest):
        WORK.bind(given)


@pytest.mark.parametrize("text", ["", " \n", "red \x1b[31m", "nul \x00"])
def test_text_that_cannot_be_said_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"Expected text that is not empty and has no control characters - at"):
        OPERATIONS["session.message"].bind({"text": text})


@pytest.mark.parametrize(
    ("held", "needed", "enough"),
    [
        (("read",), "read", True),
        (("write",), "read", True),
        (("admin",), "write", True),
        (("read",), "write", False),
        (("write",), "admin", False),
        (("read", "write"), "admin", False),
        ((), "read", False),
        (("root",), "read", False),
    ],
)
def test_a_scope_includes_those_below_it(held: tuple[str, ...], needed: Scope, enough: bool) -> None:
    assert covers(held, needed) is enough


def test_every_operation_says_what_it_does_and_what_it_takes_and_gives() -> None:
    silent = [
        (name, kind.__name__, field)
        for name, made in OPERATIONS.items()
        for kind in (made.params, made.result)
        if kind.__module__.startswith("carapax.api")
        for field in kind.__struct_fields__
        if f"{field}: " not in (kind.__doc__ or "")
    ]
    assert silent == []
    assert all(made.summary for made in OPERATIONS.values())


def test_unknown_parameters_are_refused_everywhere() -> None:
    assert [name for name, made in OPERATIONS.items() if not made.params.__struct_config__.forbid_unknown_fields] == []


def test_the_operations_are_these() -> None:
    names = """
        agent.list
        agent.persona
        agent.set_persona
        agent.status
        agents.release
        agents.stop
        approval.answer
        approval.list
        audit.list
        audit.verify
        ban.lift
        ban.list
        channel.check
        channel.list
        config.get
        config.reload
        config.schema
        config.set
        config.status
        costs.get
        costs.runs
        costs.session
        doctor.fix
        doctor.run
        file.add
        file.get
        grant.list
        grant.remove
        health
        log.list
        model.health
        model.list
        model.recover
        model.refresh
        owner.code
        owner.password
        owner.status
        passkey.add
        passkey.begin
        passkey.remove
        passkey.rename
        policy.test
        provider.add
        provider.check
        provider.list
        provider.remove
        secret.list
        secret.remove
        secret.set
        session.cancel
        session.compact
        session.configure
        session.create
        session.end
        session.events
        session.export
        session.fork
        session.get
        session.history
        session.import
        session.list
        session.message
        session.reading
        session.rename
        session.subscribe
        session.unsubscribe
        session.vouch
        setup.finish
        setup.status
        signin.end
        signin.end_all
        signin.list
        status
        tailscale.configure
        tailscale.status
        tls.status
        token.create
        token.list
        token.revoke
        tools.catalogue
        tools.execute
        tools.list
        workspace.stains
        workspace.vouch
    """
    assert sorted(OPERATIONS) == names.split()


def test_a_name_is_declared_once() -> None:
    with pytest.raises(ValueError, match="health is declared twice"):
        operation("health", scope="read")(work)


CHECKED_LATER = {"provider.add", "secret.set", "session.import"}
"""By the registry, which names what may stand in each; by the vault, which keeps any bytes; line by line."""


def test_no_text_that_an_operation_takes_may_have_a_null_byte() -> None:
    taken = []
    for name, made in OPERATIONS.items():
        for field in fields(made.params):
            try:
                made.bind({field.name: "a\0b"})
            except InvalidRequest as refused:
                if f"$.{field.name}" in str(refused):
                    continue
            taken.append(name)
    assert set(taken) == CHECKED_LATER
