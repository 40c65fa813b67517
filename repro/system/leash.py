"""Programs that may take only so much memory and that end with us, however we end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# The parent of the program: leads its process group, and kills all of it when our own process dies (prctl(2),
# PR_SET_PDEATHSIG), which nothing of ours could do after a `kill -9`. It ends as the program ended.
_KEEPER = """
import ctypes, os, resource, signal, sys
parent, memory = int(sys.argv[1]), int(sys.argv[2])
watched = {signal.SIGTERM, signal.SIGCHLD}
signal.pthread_sigmask(signal.SIG_BLOCK, watched)
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != parent:
    sys.exit(1)
child = os.fork()
if not child:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
        os.nice(5)
        if memory:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        os.execvp(sys.argv[3], sys.argv[3:])
    except OSError as error:
        os.write(2, f"{sys.argv[3]}: {error.strerror}".encode())
    finally:
        os._exit(127)
while signal.sigwait(watched) != signal.SIGTERM:
    ended, status = os.waitpid(child, os.WNOHANG)
    if ended:
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
os.killpg(0, signal.SIGKILL)
"""


def leashed(argv: Sequence[str], *, memory: int | None = None) -> list[str]:
    """`argv` for `run`, started so that it is killed with all that it started as soon as this process, or the thread
    that started it, dies; with lower priority; each of its processes with at most `memory` bytes of data
    (RLIMIT_DATA: heap and private maps). Death by a signal is exit code 128 + signal, as a shell says it.
    """
    return [sys.executable, "-I", "-S", "-c", _KEEPER, str(os.getpid()), str(memory or 0), *argv]
