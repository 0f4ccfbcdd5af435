"""Work on several processes: what a worker raises arrives as it was."""

import pytest

from bubi import core
from bubi.ledger import decode_certificate
from bubi.simulation.parallel import each


@pytest.mark.parametrize("processes", [1, 2])
def test_an_exception_of_the_core_arrives_with_code_and_sentence(processes: int) -> None:
    # A worker finds what it is to call by its name, and knows nothing of the modules of tests.
    with pytest.raises(core.CoreError) as raised:
        list(each(decode_certificate, [b"?"], processes))
    assert core.error_code(raised.value) == "not_canonical"
    assert core.error_detail(raised.value)
