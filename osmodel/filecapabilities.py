"""Capabilities of a program file: from the words of setcap(8) to the kernel's bytes.

Source: Linux, include/uapi/linux/capability.h (struct vfs_cap_data, revision 2);
cap_from_text(3).
"""

from __future__ import annotations

import re
import struct

from osmodel.faults import InvalidInput

XATTR = "security.capability"
_REVISION_2 = 0x0200_0000
_EFFECTIVE = 1
_NAMES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
    "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
    "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
    "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
    "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
)  # fmt: skip
_CLAUSE = re.compile(r"(?P<names>[a-z0-9_,]+)[=+](?P<flags>[eip]+)")


def encode(text: str) -> bytes:
    """The extended attribute for ``text``.

    Args:
        text: such as ``cap_net_raw=ep``; several clauses with blanks between them.

    Raises:
        InvalidInput: not capabilities, or some of them effective and others not:
            the kernel keeps one such mark for all of a file.
    """
    permitted = inheritable = 0
    effective = set()
    for word in text.split():
        clause = _CLAUSE.fullmatch(word)
        if clause is None:
            raise _refused(text)
        mask = sum(1 << _number(name, text) for name in set(clause["names"].split(",")))
        permitted |= mask if "p" in clause["flags"] else 0
        inheritable |= mask if "i" in clause["flags"] else 0
        effective.add("e" in clause["flags"])
    if len(effective) != 1:
        raise _refused(text)
    low, high = 0xFFFF_FFFF, 32
    flags = _REVISION_2 | (_EFFECTIVE if effective == {True} else 0)
    halves = (permitted & low, inheritable & low, permitted >> high, inheritable >> high)
    return struct.pack("<5I", flags, *halves)


def _number(name: str, text: str) -> int:
    if name.removeprefix("cap_") not in _NAMES or not name.startswith("cap_"):
        raise _refused(text)
    return _NAMES.index(name.removeprefix("cap_"))


def _refused(text: str) -> InvalidInput:
    return InvalidInput(
        f"not capabilities of a file: {text!r}",
        hint="as for setcap(8): `cap_net_raw=ep`, all of them effective or none",
    )
