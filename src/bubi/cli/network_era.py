"""`bubi network era`: go on after a network lost its quorum for good."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from bubi_sdk import Trust
from bubi_sdk.errors import BubiError
from bubi_sdk.proof import verify_finality
from bubi_sdk.signer import Signer

from bubi.cli.connection import DataOption, open_signer
from bubi.cli.key import PasswordStdin
from bubi.cli.messages import _
from bubi.cli.network_ceremony import (
    EngineOption,
    OutOption,
    QuorumOption,
    ceremony_errors,
    ratio,
    warnings_of,
)
from bubi.cli.node import ConfigArgument, config_file
from bubi.cli.output import FINDING, GOOD, AsJson, details, emit, finding, finish, note, say, table
from bubi.cli.tolerance import AcknowledgeOption, WeightOption, weights

app = typer.Typer(
    name="era",
    help=_("Go on with other validators after a network lost its quorum for good."),
    no_args_is_help=True,
)

PublicArgument = Annotated[
    Path, typer.Argument(metavar="PUBLIC", help=_("The folder that `era create` made."))
]
TRUST_FILE: Final = "trust.json"


class _Key:
    """A keystore as the node's code sees it."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    @property
    def key(self) -> bytes:
        return self._signer.public_key.tagged

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(message)


@app.command("export", help=_("Write the end of a stopped node's chain: last block and state."))
def export(
    config: ConfigArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help=_("Where the files go; a new folder."))
    ],
    as_json: AsJson = False,
) -> None:
    """Writes the end of a chain."""
    with ceremony_errors():
        from bubi.node import era  # noqa: PLC0415 - needs the compiled core
        from bubi.node.config import load  # noqa: PLC0415

        made = era.export(load(config_file(config)), out)
    fields = {
        "chain_id": made.chain_id,
        "height": made.height,
        "state_root": made.state_root,
        "open_votes": list(made.open_votes),
        "directory": str(out),
    }
    if as_json:
        emit(fields)
        return
    details(_("End of the chain"), fields)
    _warn(made.open_votes)
    say(_("Compare the height with every node that is left; the greatest one counts."))


def _warn(heights: tuple[int, ...]) -> None:
    for height in heights:
        note(
            _(
                "Warning: this node voted for block {height}, which the new era leaves out; "
                "a lost validator may have shown receipts of it.",
                height=height,
            )
        )


@app.command("create", help=_("Make the genesis that goes on from the end of a chain."))
def create(
    end: Annotated[
        Path, typer.Option("--from", metavar="DIR", help=_("The folder that `era export` made."))
    ],
    requests: Annotated[
        Path,
        typer.Option("--requests", metavar="DIR", help=_("Folder with every member's request.")),
    ],
    out: OutOption = Path("network"),
    engine: EngineOption = None,
    quorum: QuorumOption = None,
    weight: WeightOption = None,
    acknowledge: AcknowledgeOption = None,
    as_json: AsJson = False,
) -> None:
    """Makes the public files of a new era."""
    with ceremony_errors():
        from bubi.node import ceremony, era  # noqa: PLC0415

        before = era.Before(end)
        created = ceremony.create(
            out,
            ceremony.read_requests(requests),
            network=before.name,
            kind=before.kind,
            suite=before.suite,
            engine=engine,
            quorum=ratio(quorum),
            parameters=dict(before.parameters),
            weights=weights(weight),
            acknowledged=acknowledge or (),
            before=before,
        )
    validators = sum(1 for one in created.members if one.vote_key is not None)
    warnings = warnings_of(created.heavy, created.spare, validators)
    fields = {
        "chain_id": created.chain_id,
        "predecessor": before.predecessor["chain"],
        "height": before.height,
        "members": [one.summary for one in created.members],
        "warnings": warnings,
        "directory": str(out),
    }
    if as_json:
        emit(fields)
        return
    hidden = {"members", "warnings"}
    details(_("New era"), {key: value for key, value in fields.items() if key not in hidden})
    for warning in warnings:
        note(_("Warning: {text}", text=warning))
    say(_("Every organisation now runs `bubi network era approve {path}`.", path=out))


@app.command("approve", help=_("Hold a new era against one's own stopped node, and sign it off."))
def approve(
    public: PublicArgument,
    node: Annotated[
        Path,
        typer.Option(
            "--node", metavar="CONFIG", help=_("The organisation's node of the old chain.")
        ),
    ],
    signer: Annotated[
        list[str],
        typer.Option(
            "--as", help=_("Keystore file that signs for the governance account; repeatable.")
        ),
    ],
    trust: Annotated[
        Path | None,
        typer.Option(help=_("Trust file of the old chain; else that beside the node.")),
    ] = None,
    password_stdin: PasswordStdin = False,
    data: DataOption = None,
    as_json: AsJson = False,
) -> None:
    """Signs off a new era."""
    config = config_file(node)
    _check_end(public, trust or config.parent / TRUST_FILE)
    keys = [_Key(open_signer(name, data, password_stdin=password_stdin)) for name in signer]
    with ceremony_errors():
        from bubi.node import era  # noqa: PLC0415
        from bubi.node.config import load  # noqa: PLC0415

        made = era.approve(public, load(config), keys)
    fields = {
        "chain_id": made.chain_id,
        "height": made.height,
        "state_root": made.state_root,
        "open_votes": list(made.open_votes),
    }
    if as_json:
        emit(fields)
        return
    details(_("Signed off"), fields)
    _warn(made.open_votes)
    say(_("Give the new file in {path} to the others.", path=public / "approvals"))


@app.command("show", help=_("Check the files of a new era and show who has signed off."))
def show(
    public: PublicArgument,
    trust: Annotated[
        Path | None, typer.Option(help=_("Trust file of the old chain, to check its last block."))
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Shows a new era; exit status 1 while a sign-off is missing."""
    if trust is not None:
        _check_end(public, trust)
    with ceremony_errors():
        from bubi.node import era  # noqa: PLC0415

        found = era.look(public)
    fields: dict[str, Any] = {
        "chain_id": found.chain_id,
        "predecessor": found.predecessor,
        "height": found.height,
        "state_root": found.state_root,
        "first_root": found.first_root,
        "old_votes_checked": trust is not None,
        "complete": found.complete,
        "sign_offs": [
            {
                "organisation": one.organisation,
                "weight": one.weight,
                "needed": one.needed,
                "complete": one.complete,
            }
            for one in found.sign_offs
        ],
    }
    if as_json:
        emit(fields)
    else:
        details(_("New era"), {key: value for key, value in fields.items() if key != "sign_offs"})
        table(
            _("Sign-offs"),
            (_("Organisation"), _("Weight"), _("Needed")),
            [(one.organisation, one.weight, one.needed) for one in found.sign_offs],
        )
    finish(GOOD if found.complete else FINDING)


def _check_end(public: Path, trust: Path) -> None:
    """Checks the votes for the last block of the old chain by its trust file."""
    with ceremony_errors():
        from bubi.node import era  # noqa: PLC0415

        before = era.Before(public)
    try:
        proven = verify_finality(Trust.load(trust), before.proof)
    except (OSError, BubiError) as error:
        raise finding(
            _(
                "The end of the old chain is not proven by {path}: {reason}",
                path=trust,
                reason=error,
            ),
            _("Use the trust file that the organisation always had."),
            code="end_not_proven",
        ) from error
    if (proven.height, proven.state_root.hex()) != (
        before.height,
        before.predecessor["state_root"],
    ):
        raise finding(
            _("The proof in {path} is of another block.", path=public), code="end_not_proven"
        )
