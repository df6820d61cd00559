"""The filter of system calls of `seccomp`, as a profile that container engines take: it refuses the same.

Engines know calls by name and ignore names that are newer than they are, so what is allowed is listed, not what is
refused: a call nobody here has heard of does not exist. Conditions compare 32 bits, for the kernel ignores the others.
The form is that of the OCI runtime specification (`linux.seccomp`) as engines take it in `SecurityOpt`.
"""

import errno
from collections.abc import Iterable, Iterator

import msgspec

from carapax import seccomp

# The system calls of x86_64 and aarch64 up to `seccomp.NEWEST`, without those it decides on.
_ALLOWED = """
accept accept4 access alarm arch_prctl bind brk cachestat capget capset chdir chmod chown clock_getres clock_gettime
clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64
fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr file_getattr
file_setattr flistxattr flock fork fremovexattr fsetxattr fstat fstatfs fsync ftruncate futex futex_requeue
futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64
getegid geteuid getgid getgroups getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom
getresgid getresuid getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getxattr getxattrat
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
io_setup io_submit ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
lchown lgetxattr link linkat listen listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lsm_get_self_attr
lsm_list_modules lsm_set_self_attr lstat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir
mkdirat mknod mknodat mlock mlock2 mlockall mmap mprotect mq_getsetattr mq_notify mq_open mq_timedreceive
mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at
nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free
pkey_mprotect poll ppoll prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pwrite64 pwritev pwritev2
read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr removexattrat rename
renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto
set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid setpriority
setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid setxattr setxattrat shmat shmctl shmdt
shmget shutdown sigaltstack signalfd signalfd4 splice stat statfs statx symlink symlinkat sync sync_file_range
syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat uretprobe ustat utime utimensat
utimes vfork vmsplice wait4 waitid write writev
"""
_WORD = 0xFFFF_FFFF

Rule = dict[str, object]


def profile() -> str:
    """The profile as JSON, for `seccomp=` in an engine's `SecurityOpt`; for either processor we have numbers of."""
    return msgspec.json.encode(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": errno.ENOSYS,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
            "syscalls": [*_rules()],
        }
    ).decode()


def _rules() -> Iterator[Rule]:
    yield _rule(_ALLOWED.split())
    yield _rule(seccomp.ABSENT, refused=errno.ENOSYS)
    yield _rule(seccomp.FORBIDDEN, refused=errno.EPERM)
    yield _rule(["clone"], _is(0, 0, mask=seccomp.NAMESPACES))
    for mask, value in _all_but(seccomp.TERMINAL_REQUESTS):
        yield _rule(["ioctl"], _is(1, value, mask=mask))
    for personality in seccomp.PERSONALITIES:
        yield _rule(["personality"], _is(0, personality))
    yield _rule(["socketpair"], _is(0, seccomp.UNIX))
    yield _rule(["socket"], _is(0, seccomp.UNIX))
    yield _rule(["socket"], _is(0, seccomp.NETLINK), _is(2, seccomp.NETLINK_ROUTE))
    for family in seccomp.INTERNET:
        for kind in seccomp.INTERNET_KINDS:
            for protocol in seccomp.INTERNET_PROTOCOLS:
                yield _rule(["socket"], _is(0, family), _is(1, kind, mask=seccomp.KIND), _is(2, protocol))


def _rule(names: Iterable[str], *conditions: Rule, refused: int = 0) -> Rule:
    """What is done with calls for which all conditions hold."""
    verdict: Rule = {"action": "SCMP_ACT_ERRNO", "errnoRet": refused} if refused else {"action": "SCMP_ACT_ALLOW"}
    return {"names": [*names], **verdict, "args": [*conditions]}


def _is(argument: int, value: int, *, mask: int = _WORD) -> Rule:
    """Whether of an argument the masked bits are these. For this comparison `value` is the mask."""
    return {"index": argument, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}


def _all_but(values: Iterable[int], bit: int = 1 << 31) -> Iterator[tuple[int, int]]:
    """Masks and values that together match every number of 32 bits but these: engines take no rule that a value is
    none of several, only several rules of which one has to match."""
    group = set(values)
    while bit and group:
        low = {value for value in group if not value & bit}
        mask = _WORD & ~(bit - 1)
        above = mask & next(iter(group)) & ~bit
        if not low:
            yield mask, above
        elif low == group:
            yield mask, above | bit
        else:
            yield from _all_but(low, bit >> 1)
            group -= low
        bit >>= 1
