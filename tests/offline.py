"""Run a command that is killed as soon as it, or a process that it starts, makes a socket of the
internet:

    python tests/offline.py COMMAND...

A seccomp filter, which native code cannot pass by, ends the process by SIGSYS. Linux on x86_64 and
aarch64.
"""

import ctypes
import os
import platform
import struct
import sys

CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}  # architecture, number of `socket`
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # instructions of the Berkeley packet filter
NUMBER, ARCHITECTURE, FAMILY = 0, 4, 16  # where struct seccomp_data has them
ALLOW, KILL = 0x7FFF0000, 0x80000000
INTERNET = (2, 10)  # address families of IPv4 and IPv6
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2  # of prctl


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def supported():
    return sys.platform == "linux" and platform.machine() in CALLS


def forbid():
    """Forbid it to this process and to all that it starts."""
    architecture, socket = CALLS[platform.machine()]
    program = [  # code, how far to jump where it holds and where not, operand
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 5, architecture),
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 3, socket),
        (LOAD, 0, 0, FAMILY),
        (EQUAL, 2, 0, INTERNET[0]),
        (EQUAL, 1, 0, INTERNET[1]),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, KILL),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    given = Program(len(program), ctypes.cast(code, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(
        SET_SECCOMP, FILTER, ctypes.byref(given), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "no seccomp filter can be set")


if __name__ == "__main__":
    forbid()
    os.execvp(sys.argv[1], sys.argv[1:])
