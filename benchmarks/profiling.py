"""In which functions the server's time goes, by py-spy."""

import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import Request, load
from benchmarks.servers import Subject

SHOWN = 30


def hot_functions(subject: Subject, requests: Sequence[Request], seconds: float) -> str:
    """Return the functions that most samples found running, with their shares, under load.

    Raises:
        subprocess.CalledProcessError: py-spy may not look at the process, as on macOS without root.
    """
    # Attaching takes it a while.
    loading = threading.Thread(
        target=load,
        args=(subject.port, requests, seconds + 3),
        kwargs={"smallest": 1},
    )
    loading.start()
    try:
        with tempfile.NamedTemporaryFile(prefix="py-spy-") as record:
            command = [str(Path(sys.executable).with_name("py-spy")), "record"]
            command += [
                "--pid",
                str(subject.process.pid),
                "--duration",
                str(max(1, round(seconds))),
                "--rate",
                "400",
            ]
            command += ["--format", "raw", "--output", record.name]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # noqa: S603
            stacks = Path(record.name).read_text().splitlines()
    finally:
        loading.join()
    counted: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        counted[stack.rpartition(";")[2]] += int(count)
    return "\n".join(
        f"{count / counted.total():6.1%}  {function}"
        for function, count in counted.most_common(SHOWN)
    )
