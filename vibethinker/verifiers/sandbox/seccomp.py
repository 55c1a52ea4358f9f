"""The system calls that a sandboxed program is refused, as a BPF program for `bwrap --seccomp`.

Two reasons for it beside the namespaces. RLIMIT_NPROC does not bind root, so a fork bomb is refused here: threads yes,
processes no. And memory outside the address-space limit (System V segments, io_uring, keys) and rarely used, often
attacked parts of the kernel are out of reach.
"""

import platform
import struct

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_EPERM, _ENOSYS = 1, 38
_CLONE_THREAD = 0x00010000
_X32_BIT = 0x40000000
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16

# Same numbers on both architectures (the generic table since Linux 5.1).
_NEWER = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "mount_setattr": 442,
}  # fmt: skip
_X86_64 = {
    "shmget": 29, "shmat": 30, "socket": 41, "fork": 57, "vfork": 58, "semget": 64, "msgget": 68, "ptrace": 101,
    "personality": 135, "pivot_root": 155, "chroot": 161, "mount": 165, "umount2": 166, "swapon": 167,
    "reboot": 169, "init_module": 175, "delete_module": 176, "quotactl": 179, "mq_open": 240, "kexec_load": 246,
    "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "perf_event_open": 298,
    "name_to_handle_at": 303, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "finit_module": 313, "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
_AARCH64 = {
    "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "quotactl": 60, "personality": 92, "unshare": 97,
    "kexec_load": 104, "init_module": 105, "delete_module": 106, "ptrace": 117, "reboot": 142, "mq_open": 180,
    "msgget": 186, "semget": 190, "shmget": 194, "shmat": 196, "socket": 198, "add_key": 217, "request_key": 218,
    "keyctl": 219, "swapon": 224, "perf_event_open": 241, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "finit_module": 273, "bpf": 280,
    "userfaultfd": 282,
}  # fmt: skip
_CLONE3 = 435
# machine -> (audit architecture, clone's number, refused calls)
_MACHINES = {"x86_64": (0xC000003E, 56, _X86_64), "aarch64": (0xC00000B7, 220, _AARCH64)}


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def filter_program(machine: str | None = None) -> bytes:
    """The filter for this (or the named) machine: refused calls fail with EPERM.

    clone3 hides its flags from filters, so it fails with ENOSYS and the C library falls back to clone. Raises KeyError
    for a machine whose system call numbers we do not know.
    """
    architecture, clone, refused = _MACHINES[machine or platform.machine()]
    numbers = sorted([*refused.values(), *_NEWER.values()])
    body = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_JUMP_EQUAL, architecture, 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
        _instruction(_JUMP_AT_LEAST, _X32_BIT, len(numbers) + 5, 0),
        _instruction(_JUMP_EQUAL, _CLONE3, len(numbers) + 5, 0),
        _instruction(_JUMP_EQUAL, clone, 0, 2),
        _instruction(_LOAD, _FIRST_ARGUMENT),
        _instruction(_JUMP_BITS, _CLONE_THREAD, len(numbers), len(numbers) + 1),
    ]
    body += [_instruction(_JUMP_EQUAL, number, len(numbers) - place, 0) for place, number in enumerate(numbers)]
    body += [_instruction(_RETURN, value) for value in (_ALLOW, _ERRNO | _EPERM, _ERRNO | _ENOSYS)]
    return b"".join(body)
