"""Opens files beneath a folder, race-free: no `..`, link or rename leads outside, whatever else is moving in there."""

import contextlib
import ctypes
import errno
import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
MAX_LINKS = 40
_STEP = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_beneath(root: int, path: str, flags: int, mode: int = 0) -> int:
    """Open a path beneath the open folder `root`. Raises OSError, with EXDEV for what leads outside."""
    return (_open_fast if _fast else _open_walking)(root, path, flags, mode)


@contextmanager
def descriptor(opened: int) -> Iterator[int]:
    """Close it at the end of the block."""
    try:
        yield opened
    finally:
        os.close(opened)


def link_at(parent: int, leaf: str) -> str | None:
    """Where a link leads; None for what is no link."""
    try:
        return os.readlink(leaf, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_OPENAT2 = 437
_RESOLVE = 0x08 | 0x02  # RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS, openat2(2)
_libc = ctypes.CDLL(None, use_errno=True)


def _open_fast(root: int, path: str, flags: int, mode: int) -> int:
    how = _OpenHow(flags, mode, _RESOLVE)
    name = ctypes.c_char_p(os.fsencode(path))
    for _ in range(128):
        opened: int = _libc.syscall(_OPENAT2, root, name, ctypes.byref(how), ctypes.sizeof(how))
        if opened >= 0:
            return opened
        if ctypes.get_errno() != errno.EAGAIN:  # something was renamed meanwhile
            break
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _has_openat2() -> bool:
    if sys.platform != "linux":
        return False
    try:
        with descriptor(os.open("/", FOLDER)) as root:
            os.close(_open_fast(root, ".", FOLDER, 0))
    except OSError:
        return False
    return True


_fast = _has_openat2()


def _open_walking(root: int, path: str, flags: int, mode: int) -> int:
    """The same without openat2: step by step, where no step follows a link and `..` is a step back."""
    flags |= _folder_asked(path)
    steps, links = deque(_steps(path)), 0
    with contextlib.ExitStack() as opened:
        trail = [root]
        while steps:
            step = steps.popleft()
            if step == "..":
                if len(trail) == 1:
                    raise OSError(errno.EXDEV, "outside")
                trail.pop()
            elif link := None if flags & os.O_NOFOLLOW and not steps else link_at(trail[-1], step):
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, "too many links")
                if link.startswith("/"):
                    raise OSError(errno.EXDEV, "absolute link")
                flags |= 0 if steps else _folder_asked(link)
                steps.extendleft(reversed(_steps(link)))
            elif steps:
                trail.append(opened.enter_context(descriptor(os.open(step, _STEP, dir_fd=trail[-1]))))
            else:
                return os.open(step, flags | os.O_NOFOLLOW, mode, dir_fd=trail[-1])
        return os.open(".", flags & ~os.O_CREAT, dir_fd=trail[-1])


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step not in ("", ".")]


def _folder_asked(path: str) -> int:
    return os.O_DIRECTORY if path.endswith(("/", "/.")) else 0
