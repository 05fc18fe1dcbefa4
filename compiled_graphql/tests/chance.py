"""Chance decides what resolvers return, so that a seed stands for one state of the data."""

import random
from typing import Any


class Chance:
    """Answers questions at random: always the same for the same seed and the same question."""

    def __init__(self, seed: int, nonsense: float) -> None:
        self.seed = seed
        self.nonsense = nonsense
        """How probable it is that a value is replaced by a wrong one, or by an error."""
        self.calls: list[str] = []
        """The calls of resolvers that must not happen twice."""

    def dice(self, *question: object) -> random.Random:
        return random.Random(f"{self.seed} {question!r}")

    def value(self, sense: Any, *question: object) -> Any:
        """Return a value for the most part, else a wrong one; or raise."""
        dice = self.dice(*question)
        if dice.random() >= self.nonsense:
            return sense
        kind = dice.randrange(9)
        if kind == 0:
            raise ValueError(f"no luck with {question}")
        return [None, 2**40, "text", 1.5, [None], ValueError("as a value"), object, True, {}][kind]
