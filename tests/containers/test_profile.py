"""The filter of system calls as engines take it."""

import json
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from carapax import seccomp
from carapax.containers.profile import profile

PROFILE = json.loads(profile())
WORDS = st.integers(0, 2**32 - 1)


def rules(name: str) -> Iterator[dict[str, Any]]:
    return (rule for rule in PROFILE["syscalls"] if name in rule["names"])


def allowed(name: str, *arguments: int) -> bool:
    """What libseccomp makes of the rules: one that holds decides, else the default."""
    for rule in rules(name):
        if all(arguments[one["index"]] & one["value"] == one["valueTwo"] for one in rule["args"]):
            return bool(rule["action"] == "SCMP_ACT_ALLOW")
    return bool(PROFILE["defaultAction"] == "SCMP_ACT_ALLOW")


def test_what_is_not_listed_is_refused_as_if_it_did_not_exist() -> None:
    assert (PROFILE["defaultAction"], PROFILE["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 38)
    assert not allowed("a_call_of_next_year")


def test_what_the_other_sandbox_refuses_is_refused() -> None:
    assert [name for name in {**seccomp.ABSENT, **seccomp.FORBIDDEN} if allowed(name)] == []
    assert {rule["errnoRet"] for name in seccomp.ABSENT for rule in rules(name)} == {38}


def test_ordinary_calls_are_allowed() -> None:
    for name in ("read", "openat", "execve", "mmap", "futex", "exit_group", "prctl", "fchmodat2"):
        assert allowed(name), name


@given(WORDS, st.integers(0, 2**32 - 1))
def test_every_request_to_a_device_is_allowed_but_those_that_type_into_terminals(request: int, above: int) -> None:
    for number in (request, *seccomp.TERMINAL_REQUESTS):
        assert allowed("ioctl", 0, number | above << 32) == (number not in seccomp.TERMINAL_REQUESTS)


@given(WORDS, WORDS, WORDS)
def test_sockets_are_of_the_internet_of_files_or_for_asking_the_network_devices(
    family: int, kind: int, protocol: int
) -> None:
    for one in (family, 1, 2, 10, 16, 40):
        for sort in (kind, 1, 2, 3, 1 | 0o2000000):
            for number in (protocol, 0, 6, 9):
                expected = one == 1 or (one == 16 and number == 0)
                expected |= one in (2, 10) and sort & 0xF in (1, 2) and number in (0, 1, 6, 17, 58)
                assert allowed("socket", one, sort, number) == expected


def test_processes_are_started_in_the_namespaces_that_are_there() -> None:
    assert allowed("clone", 0x11)
    assert not allowed("clone", 0x1000_0011)
    assert not allowed("unshare", 0)
