"""Imports a file for new users, killed at random moments and run again, until all of it is in.

Its arguments: the file, how many users, a seed, and the ids of the users. It imports what commands
need once, and forks: else each would take a second. How often each was killed is printed, as JSON.
"""

import importlib
import json
import os
import random
import signal
import sys
import time

from app.cli import main


def start(file: str, user: str) -> int:
    """Start an import in a fork; return its process."""
    pid = os.fork()
    if pid:
        return pid
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    sys.argv = ["todo-api", "import", file, "--user", user, "--create-user", "Ada"]
    main()
    sys.exit()


if __name__ == "__main__":
    importlib.import_module("app.commands.import_")
    path, seed, *users = sys.argv[1:]
    chance = random.Random(int(seed))
    kills = []
    began = time.monotonic()
    assert os.waitpid(start(path, users[0]), 0)[1] == 0
    took = time.monotonic() - began
    for each in users[1:]:
        kills.append(0)
        # Sooner and sooner after it began at last, so that it comes to its end.
        while True:
            process = start(path, each)
            time.sleep(chance.uniform(0.1, 1) * took)
            os.kill(process, signal.SIGKILL)
            if os.waitpid(process, 0)[1] == 0:
                break
            kills[-1] += 1
            if kills[-1] == 3:
                assert os.waitpid(start(path, each), 0)[1] == 0
                break
    sys.stdout.write(json.dumps(kills))
