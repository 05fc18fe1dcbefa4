"""Compiled operations of the sample schema answer as graphql-core does."""

import pytest

from compiled_graphql.tests.chance import Chance
from compiled_graphql.tests.comparison import REQUESTS, SEEDS, Comparison
from compiled_graphql.tests.sample_schema import AT_ONCE, schema


def test_values_of_the_right_type_are_answered_alike() -> None:
    comparison = Comparison(schema, lambda seed: Chance(seed, 0), AT_ONCE)
    comparison.run()
    assert comparison.counted["by compiled code alone"] > REQUESTS * SEEDS // 3, comparison.counted


@pytest.mark.parametrize("nonsense", [0.03, 0.15])
def test_wrong_values_and_errors_are_answered_alike(nonsense: float) -> None:
    comparison = Comparison(schema, lambda seed: Chance(seed, nonsense), AT_ONCE)
    comparison.run()
    assert comparison.counted["by graphql-core"] > REQUESTS * SEEDS // 5, comparison.counted
