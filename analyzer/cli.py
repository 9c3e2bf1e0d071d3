"""The command line: which command is meant. Each is a module of `commands`; without one it is the main job.

Exit status of the main job: 0, no handshake failed; 1, at least one failed; 2, wrong usage or an input that could not
be read (whole or in part; what could be analysed is still reported); 3, a fault of ours in some connection. Of the
others 0, 1 and 2 mean the same in their way, and 3 is a fault of ours in any. Diagnostics go to standard error, the
report to standard output.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Final

from analyzer.commands.output import say
from analyzer.errors import InputError, fault_text

__all__ = ["main"]

_COMMANDS: Final = ("check", "explain", "store", "watch")
_LATER_COMMANDS: Final = ("diff", "archive", "bundle")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; `arguments` without the program's name. Returns the exit status.

    Without `arguments` they are the process's own, and it ends here: to take apart all modules and objects one by one,
    as the interpreter does, would be a fifth of a small run.
    """
    if arguments is not None:
        return _guarded(list(arguments))
    # Millions of small, acyclic objects are made and kept, the first when modules are imported: looking through them
    # for cycles again and again is waste.
    gc.set_threshold(1_000_000, 20, 1000)
    # numpy's linear algebra is not used; its threads would be started all the same, and spin.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    status = _guarded(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or full, which was told
            stream.flush()
    os._exit(status)


def _guarded(words: list[str]) -> int:
    try:
        return _run(words)
    except InputError as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - nobody is shown a traceback
        say(f"fault of hsanalyze: {fault_text(error)}; please report it")
        return 3


def _run(words: list[str]) -> int:
    command = words[0] if words else ""
    if command in _LATER_COMMANDS:
        raise InputError(command, "this command is not in this version")
    if command in _COMMANDS:
        status: int = import_module(f"analyzer.commands.{command}").run(words[1:])
        return status
    from analyzer.commands import analyze

    return analyze.run(words)
