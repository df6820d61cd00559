"""A filter of system calls for commands in a sandbox, as the program that Linux runs before each call.

It refuses what commands have no need of and attacks on the kernel do: mounts and namespaces, other processes' memory,
keyrings, BPF, io_uring, modules, rare socket families. Calls newer than it knows do not exist for it. A call of
another instruction set (32 bits) ends the process, for its numbers mean something else.

Written in classic BPF as of linux/filter.h, over `struct seccomp_data` of linux/seccomp.h: number, architecture,
instruction pointer, six arguments. All arguments looked at are 32 bits wide to the kernel, so their upper halves,
which it ignores, are never compared.
"""

import errno
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from carapax.errors import Unavailable

ALLOW = 0x7FFF_0000
KILL = 0x8000_0000
_ERRNO = 0x0005_0000

_LOAD, _AND, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_LARGEST_GROUP = 255  # a jump skips no more

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Processor:
    audit: int  # AUDIT_ARCH_* of linux/audit.h
    column: int


_PROCESSORS = {"x86_64": _Processor(0xC000_003E, 0), "aarch64": _Processor(0xC000_00B7, 1)}
_NEWEST = 469  # file_setattr; from 424 on, numbers are the same everywhere

# Names and numbers as in the kernel's asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64).
Numbers = dict[str, tuple[int | None, int | None]]

# What libraries and runtimes try first and do without: the kernel seems too old for it.
ABSENT: Numbers = {
    "clone3": (435, 435),  # its flags are in memory, where no filter can look; libc then uses clone
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "open_tree_attr": (467, 467),
}

FORBIDDEN: Numbers = {
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # ways into the kernel
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "syslog": (103, 116),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "mbind": (237, 235),
    "get_mempolicy": (239, 236),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    # the running of the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "create_module": (174, None),
    "query_module": (178, None),
    "get_kernel_syms": (177, None),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
}

# What is decided by its arguments.
DEPENDING: dict[str, tuple[int, int]] = {
    "clone": (56, 220),
    "ioctl": (16, 29),
    "personality": (135, 92),
    "socket": (41, 198),
    "socketpair": (53, 199),
}

# The CLONE_NEW* of linux/sched.h: mount, cgroup, UTS, IPC, user, PID and network namespaces.
NAMESPACES = 0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000
# TIOCSTI types into a terminal, TIOCLINUX pastes into it, TIOCSETD loads a line discipline.
TERMINAL_REQUESTS = (0x5412, 0x541C, 0x5423)
# Linux; Linux with addresses that are not random, for debugging; the question what it is.
PERSONALITIES = (0, 0x0004_0000, 0xFFFF_FFFF)
# Sockets, as of linux/socket.h, linux/net.h, linux/in.h and linux/netlink.h.
UNIX, INTERNET, NETLINK = 1, (2, 10), 16
KIND = 0xF  # without SOCK_NONBLOCK and SOCK_CLOEXEC
INTERNET_KINDS = (1, 2)  # streams and datagrams
INTERNET_PROTOCOLS = (0, 1, 6, 17, 58)  # the kind's own, ICMP, TCP, UDP, ICMPv6
NETLINK_ROUTE = 0


def program(machine: str) -> bytes:
    """The filter for a processor, as `uname -m` names it, ready for `bwrap --seccomp`.

    Raises Unavailable for one it has no numbers of.
    """
    processor = _PROCESSORS.get(machine)
    if processor is None:
        known = " and ".join(_PROCESSORS)
        raise Unavailable(
            f"there is no filter of system calls for the processor {machine!r}, only for {known}",
            "[sandboxes.bubblewrap] seccomp = false runs commands without one, confined by namespaces alone",
        )
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in _instructions(processor))


def _instructions(processor: _Processor) -> Iterator[Instruction]:
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield (_EQUAL, 1, 0, processor.audit)
    yield (_RETURN, 0, 0, KILL)
    yield (_LOAD, 0, 0, _NUMBER)
    for name, numbers in DEPENDING.items():
        rule = list(_RULES[name])
        yield (_EQUAL, 0, len(rule), numbers[processor.column])
        yield from rule
    for names, refusal in ((ABSENT, errno.ENOSYS), (FORBIDDEN, errno.EPERM)):
        numbers_here = (numbers[processor.column] for numbers in names.values())
        yield from _if_in((number for number in numbers_here if number is not None), _refused(refusal))
    yield (_ABOVE, 0, 1, _NEWEST)  # also the numbers of x32, which have a bit of their own
    yield (_RETURN, 0, 0, _refused(errno.ENOSYS))
    yield (_RETURN, 0, 0, ALLOW)


def _refused(number: int) -> int:
    return _ERRNO | number


def _if_in(values: Iterable[int], verdict: int) -> list[Instruction]:
    """Return a verdict when what is loaded is one of the values; go on behind it otherwise."""
    group = list(values)
    if not 0 < len(group) <= _LARGEST_GROUP:
        raise ValueError(f"{len(group)} values do not fit a jump")
    compared = [(_EQUAL, len(group) - place, 0, value) for place, value in enumerate(group[:-1], 1)]
    return [*compared, (_EQUAL, 0, 1, group[-1]), (_RETURN, 0, 0, verdict)]


def _unless_in(values: Iterable[int], verdict: int) -> list[Instruction]:
    """Return a verdict when what is loaded is none of the values; go on behind it otherwise."""
    group = list(values)
    compared = [(_EQUAL, len(group) - place + 1, 0, value) for place, value in enumerate(group, 1)]
    return [*compared, (_RETURN, 0, 0, verdict)]


def _argument(number: int) -> Instruction:
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * number)


def _clone() -> Iterator[Instruction]:
    yield _argument(0)
    yield (_ANY_BIT, 0, 1, NAMESPACES)
    yield (_RETURN, 0, 0, _refused(errno.EPERM))
    yield (_RETURN, 0, 0, ALLOW)


def _ioctl() -> Iterator[Instruction]:
    yield _argument(1)
    yield from _if_in(TERMINAL_REQUESTS, _refused(errno.EPERM))
    yield (_RETURN, 0, 0, ALLOW)


def _personality() -> Iterator[Instruction]:
    yield _argument(0)
    yield from _unless_in(PERSONALITIES, _refused(errno.EPERM))
    yield (_RETURN, 0, 0, ALLOW)


def _socketpair() -> Iterator[Instruction]:
    yield _argument(0)
    yield from _unless_in((UNIX,), _refused(errno.EAFNOSUPPORT))
    yield (_RETURN, 0, 0, ALLOW)


def _socket() -> Iterator[Instruction]:
    internet = [
        _argument(1),
        (_AND, 0, 0, KIND),
        *_unless_in(INTERNET_KINDS, _refused(errno.EPROTONOSUPPORT)),
        _argument(2),
        *_unless_in(INTERNET_PROTOCOLS, _refused(errno.EPROTONOSUPPORT)),
        (_RETURN, 0, 0, ALLOW),
    ]
    netlink = [
        _argument(2),
        *_unless_in((NETLINK_ROUTE,), _refused(errno.EPROTONOSUPPORT)),
        (_RETURN, 0, 0, ALLOW),
    ]
    yield _argument(0)
    yield from _if_in((UNIX,), ALLOW)
    yield (_EQUAL, 0, len(netlink), NETLINK)
    yield from netlink
    yield from _unless_in(INTERNET, _refused(errno.EAFNOSUPPORT))
    yield from internet


_RULES = {
    "clone": tuple(_clone()),
    "ioctl": tuple(_ioctl()),
    "personality": tuple(_personality()),
    "socket": tuple(_socket()),
    "socketpair": tuple(_socketpair()),
}
