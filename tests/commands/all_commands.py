"""Runs commands in forks of a process that has imported them: else each would take a second more.

Its arguments are the words of each, as lists in JSON. What the command `n` says is in `n.out` and
`n.err`; the statuses are printed.
"""

import gc
import importlib
import json
import os
import signal
import sys
import threading

from app.cli import COMMANDS, function_of, main

SECONDS_OF_A_SERVER = 8.0
"""How long one may go on: it tries again and again to reach its database."""


def start(number: int, words: list[str]) -> int:
    """Start a command; return its process."""
    pid = os.fork()
    if pid:
        return pid
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{number}.{name}", os.O_WRONLY | os.O_CREAT), stream)
    if words[0] == "serve":
        stop = threading.Timer(SECONDS_OF_A_SERVER, os.kill, (os.getpid(), signal.SIGTERM))
        stop.daemon = True
        stop.start()
    sys.argv = ["todo-api", *words]
    main()
    sys.exit()


if __name__ == "__main__":
    for command in COMMANDS:
        importlib.import_module(f"app.commands.{function_of(command)}")
    # Else each fork would write to all of the memory, and so copy it.
    gc.freeze()
    processes = [start(number, json.loads(words)) for number, words in enumerate(sys.argv[1:])]
    ends = [os.waitpid(process, 0)[1] for process in processes]
    sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(end) for end in ends]))
