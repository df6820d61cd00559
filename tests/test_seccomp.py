"""The filter of system calls, run by an interpreter of its own against the tables it was made from."""

import errno
import re
import struct
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carapax.errors import Unavailable
from carapax.seccomp import ABSENT, ALLOW, DEPENDING, FORBIDDEN, KILL, program

MACHINES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
COLUMN = {machine: column for column, machine in enumerate(MACHINES)}
HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": ("/usr/include/asm-generic/unistd.h",),
}
EPERM, ENOSYS = 0x0005_0000 | errno.EPERM, 0x0005_0000 | errno.ENOSYS
FAMILY, PROTOCOL = 0x0005_0000 | errno.EAFNOSUPPORT, 0x0005_0000 | errno.EPROTONOSUPPORT
NEWEST = 469

on_each_machine = pytest.mark.parametrize("machine", MACHINES)
words = st.integers(0, 2**64 - 1)


def judged(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """What the kernel would be told, by the meaning of classic BPF (no more of it than a filter may use)."""
    given_arguments = [*arguments, *[0] * (6 - len(arguments))]
    architecture = MACHINES[machine] if audit is None else audit
    data = struct.pack("<IIQ6Q", number, architecture, 0x7FFF_0000_1234, *given_arguments)
    instructions = list(struct.iter_unpack("<HBBI", program(machine)))
    accumulator, place = 0, 0
    while True:
        code, yes, no, value = instructions[place]
        place += 1
        match code:
            case 0x20:
                assert value % 4 == 0
                accumulator = int.from_bytes(data[value : value + 4], "little")
                assert value + 4 <= len(data)
            case 0x54:
                accumulator &= value
            case 0x15:
                place += yes if accumulator == value else no
            case 0x25:
                place += yes if accumulator > value else no
            case 0x45:
                place += yes if accumulator & value else no
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"{code:#x} is no instruction of a filter")


def numbered(machine: str, names: Mapping[str, tuple[int | None, int | None]]) -> set[int]:
    return {number for numbers in names.values() if (number := numbers[COLUMN[machine]]) is not None}


def number_of(machine: str, name: str) -> int:
    return DEPENDING[name][COLUMN[machine]]


@on_each_machine
def test_every_number_is_judged_as_the_tables_say(machine: str) -> None:
    absent, forbidden, depending = (numbered(machine, names) for names in (ABSENT, FORBIDDEN, DEPENDING))
    for number in chain(range(1100), (2**30, 2**30 + 39, 2**31, 2**32 - 1)):
        if number in absent or number > NEWEST:
            assert judged(machine, number) == ENOSYS, number
        elif number in forbidden:
            assert judged(machine, number) == EPERM, number
        elif number not in depending:
            assert judged(machine, number) == ALLOW, number


@on_each_machine
def test_no_number_stands_for_two_calls(machine: str) -> None:
    given_numbers = [numbers[COLUMN[machine]] for numbers in [*ABSENT.values(), *FORBIDDEN.values()]]
    known = [number for number in given_numbers if number is not None]
    known += [numbers[COLUMN[machine]] for numbers in DEPENDING.values()]
    assert len(known) == len(set(known))


@on_each_machine
def test_the_numbers_are_those_of_the_kernels_own_headers(machine: str) -> None:
    header = next((Path(name) for name in HEADERS[machine] if Path(name).is_file()), None)
    if header is None:
        pytest.skip("the headers of Linux are not installed (linux-libc-dev)")
    found = re.findall(r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
    official = {name: int(number) for name, number in found}
    newest_here = max(
        number for number in official.values() if number < 1000
    )  # ours knows calls newer than some headers
    for name, numbers in {**ABSENT, **FORBIDDEN, **DEPENDING}.items():
        number = numbers[COLUMN[machine]]
        if name in official or number is None or number <= newest_here:
            assert official.get(name) == number, name


@on_each_machine
@given(audit=st.integers(0, 2**32 - 1), number=st.integers(0, 2**32 - 1))
def test_another_instruction_set_ends_the_process(machine: str, audit: int, number: int) -> None:
    if audit != MACHINES[machine]:
        assert judged(machine, number, audit=audit) == KILL
    assert judged(machine, number, audit=0x4000_0003) == KILL  # i386
    assert judged(machine, number, audit=0x4000_0028) == KILL  # 32-bit ARM


@on_each_machine
@given(flags=words)
def test_a_process_is_made_in_no_namespace_of_its_own(machine: str, flags: int) -> None:
    allowed = flags & 0x7E02_0000 == 0
    assert judged(machine, number_of(machine, "clone"), flags) == (ALLOW if allowed else EPERM)


@on_each_machine
@given(request_=st.sampled_from([0x5412, 0x541C, 0x5423, 0x5401, 0x5413]) | st.integers(0, 2**32 - 1), above=words)
def test_requests_to_a_terminal_are_judged_by_what_the_kernel_reads_of_them(
    machine: str, request_: int, above: int
) -> None:
    expected = EPERM if request_ in (0x5412, 0x541C, 0x5423) else ALLOW
    whole = (above & 0xFFFF_FFFF_0000_0000) | request_
    assert judged(machine, number_of(machine, "ioctl"), 0, whole) == expected


@on_each_machine
@given(persona=st.sampled_from([0, 0x40000, 0xFFFF_FFFF, 8, 0x20000]) | st.integers(0, 2**32 - 1))
def test_few_personalities_are_allowed(machine: str, persona: int) -> None:
    expected = ALLOW if persona in (0, 0x40000, 0xFFFF_FFFF) else EPERM
    assert judged(machine, number_of(machine, "personality"), persona) == expected


@on_each_machine
@given(
    family=st.integers(0, 50),
    kind=st.integers(0, 15),
    flags=st.sampled_from([0, 0o4000, 0o2000000, 0o2004000]),
    protocol=st.sampled_from([0, 1, 6, 17, 58, 132, 136, 262]) | st.integers(0, 2**32 - 1),
)
def test_sockets_are_those_of_ordinary_programs(
    machine: str, family: int, kind: int, flags: int, protocol: int
) -> None:
    if family == 1:
        expected = ALLOW
    elif family == 16:
        expected = ALLOW if protocol == 0 else PROTOCOL
    elif family in (2, 10):
        expected = ALLOW if kind in (1, 2) and protocol in (0, 1, 6, 17, 58) else PROTOCOL
    else:
        expected = FAMILY
    assert judged(machine, number_of(machine, "socket"), family, kind | flags, protocol) == expected
    pair = judged(machine, number_of(machine, "socketpair"), family, kind | flags, protocol)
    assert pair == (ALLOW if family == 1 else FAMILY)


def test_an_unknown_processor_is_refused_with_the_remedy() -> None:
    with pytest.raises(Unavailable, match="'riscv64'") as caught:
        program("riscv64")
    assert "[sandboxes.bubblewrap] seccomp = false" in caught.value.hint
