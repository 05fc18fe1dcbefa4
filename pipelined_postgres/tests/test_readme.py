"""The README's example does what it says."""

import re
from pathlib import Path
from typing import Any

README = (Path(__file__).parents[1] / "README.md").read_text()


async def test_the_example_gives_each_call_its_own_answer(url: str) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert await names["squares"](url) == [n * n for n in range(1000)]


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 60
