"""What the commands share that found a network or let it go on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bubi.cli.messages import _
from bubi.cli.node import node_errors
from bubi.cli.output import finding, usage
from bubi.cli.tolerance import tolerance_errors

OutOption = Annotated[
    Path, typer.Option("--out", metavar="DIR", help=_("Where the public files go."))
]
EngineOption = Annotated[
    str | None, typer.Option(help=_("Consensus engine; solo for one validator, else pbft."))
]
QuorumOption = Annotated[
    str | None,
    typer.Option(metavar="N/D", help=_("Share of the votes that decides; at least 2/3.")),
]


@contextmanager
def ceremony_errors() -> Iterator[None]:
    """Turns what the ceremony refuses into lines for people.

    Raises:
        Failure: in place of its errors.
    """
    with node_errors():
        from bubi.node.ceremony import CeremonyError  # noqa: PLC0415 - needs the compiled core
        from bubi.node.era import EraError  # noqa: PLC0415

        try:
            with tolerance_errors():
                yield
        except EraError as error:
            raise finding(str(error), code=error.code) from error
        except CeremonyError as error:
            raise finding(str(error), code="ceremony_refused") from error


def ratio(text: str | None) -> tuple[int, int]:
    """A quorum ratio that was typed; that of the formula for none.

    Raises:
        Failure: it is no ratio.
    """
    if text is None:
        return 0, 1
    found = re.fullmatch(r"([0-9]{1,9})/([1-9][0-9]{0,8})", text)
    if found is None:
        raise usage(_("{text} is no ratio.", text=text), _("Write it like 3/4."))
    return int(found[1]), int(found[2])


def warnings_of(heavy: Sequence[tuple[str, int]], spare: int, validators: int) -> list[str]:
    """Sentences about organisations that could stop a network, and about one without reserve."""
    found = [
        _(
            "{name} alone has {weight} of the votes, more than may fail: it can stop the network.",
            name=name,
            weight=weight,
        )
        for name, weight in heavy
    ]
    if spare < 1 and validators > 1:
        found.append(_("No validator may fail: a single one that is down stops the network."))
    return found
