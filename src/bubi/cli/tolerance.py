"""How commands that found a network speak of validators that it cannot miss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from bubi.cli.messages import _
from bubi.cli.output import Failure, finding, usage

if TYPE_CHECKING:
    from bubi.node.tolerance import ToleranceError

WEIGHT_MAX: Final = 2**32 - 1
"""Largest weight of one validator."""

AcknowledgeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--acknowledge",
        metavar="NAME",
        help=_("Validator that the network cannot miss, or no_fault_tolerance; repeatable."),
    ),
]
WeightOption = Annotated[
    list[str] | None,
    typer.Option(
        "--weight", metavar="NAME=N", help=_("Votes of a validator, else 1; repeatable.")
    ),
]


def weights(texts: list[str] | None) -> dict[str, int]:
    """Weights by validator, of what was given as NAME=N.

    Raises:
        Failure: one is not written like that.
    """
    found: dict[str, int] = {}
    for text in texts or ():
        name, _equals, digits = text.rpartition("=")
        given = int(digits) if digits.isascii() and digits.isdigit() else 0
        if not name or not 1 <= given <= WEIGHT_MAX or name in found:
            raise usage(_("{text} is no weight.", text=text), _("Write it like node-a=2."))
        found[name] = given
    return found


@contextmanager
def tolerance_errors() -> Iterator[None]:
    """Turns the refusal of a set that cannot miss a member into lines for people.

    Raises:
        Failure: in place of that error.
    """
    from bubi.node.tolerance import ToleranceError  # noqa: PLC0415 - needs the compiled core

    try:
        yield
    except ToleranceError as error:
        raise _failure(error) from error


def _failure(error: ToleranceError) -> Failure:
    options = " ".join(f'--acknowledge "{name}"' for name in error.missing)
    if not error.nobody:
        named = ", ".join(f"{name} ({error.weights[name]})" for name in error.missing)
        text = _(
            "{needed} of {total} votes decide. Weight {spare} may be down, and more has {named}: "
            "alone it stops the network.",
            needed=error.needed,
            total=error.total,
            spare=error.spare,
            named=named,
        )
        cure = _("Spread the weights or add validators; or say {options}.", options=options)
    else:
        text = _(
            "{needed} of {total} votes decide: a single validator that is down stops the network.",
            needed=error.needed,
            total=error.total,
        )
        cure = (
            _("Lower the quorum; or say {options}.", options=options)
            if error.least is None
            else _(
                "Take at least {least} validators or a lower quorum; or say {options}.",
                least=error.least,
                options=options,
            )
        )
    return finding(text, cure, code="fault_tolerance")
