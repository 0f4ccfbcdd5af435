"""`bubi quorum` against the definition, by counting."""

import pytest

from bubi.cli.quorum import RATIOS, quorum, quorum_rows


@pytest.mark.parametrize("total", [1, 2, 3, 4, 7, 10, 31, 100, 2**32 - 1])
@pytest.mark.parametrize(("numerator", "denominator"), RATIOS)
def test_a_quorum_is_the_least_number_that_is_safe_and_asked_for(total, numerator, denominator):
    votes = quorum(total, numerator, denominator)

    def enough(count):
        return 3 * count > 2 * total and denominator * count >= numerator * total

    assert enough(votes)
    assert not enough(votes - 1)
    assert votes <= total


def test_four_members_survive_one_liar_or_one_silent_member():
    assert quorum_rows(4)[0] == {"ratio": "2/3", "quorum": 3, "safe": 1, "live": 1}


def test_unanimity_survives_most_liars_and_no_silence():
    assert quorum_rows(4)[-1] == {"ratio": "1/1", "quorum": 4, "safe": 3, "live": 0}
