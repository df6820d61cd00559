from carapax.api import covers
from carapax.api.services import LOCAL


def test_whoever_is_at_this_machine_may_do_everything() -> None:
    assert all(covers(LOCAL.scopes, scope) for scope in ("read", "write", "admin"))
