"""Work on several processes: what a worker raises arrives as it was."""

import pytest

from bubi import core
from bubi.simulation.parallel import each


def refused(text: bytes) -> bytes:
    return core.body_from_json("bubidev", text)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_exception_of_the_core_arrives_with_code_and_sentence(processes: int) -> None:
    with pytest.raises(core.CoreError) as raised:
        list(each(refused, [b"{"], processes))
    assert core.error_code(raised.value) == "malformed_json"
    assert "parsing" in core.error_detail(raised.value)
