"""What a command says: one JSON object for programs, tables and lines for people.

Exit status of every command: 0 good, 1 a finding, 2 usage, 3 nothing running.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bubi.cli.messages import _

GOOD: Final = 0
FINDING: Final = 1
USAGE: Final = 2
NOTHING_RUNNING: Final = 3

SCHEMA: Final = 1

AsJson = Annotated[
    bool, typer.Option("--json", help=_("Print one JSON object for programs instead of text."))
]


class Failure(Exception):  # noqa: N818 - it ends a command; it is not a defect
    """The end of a command that cannot do what was asked, with what the user can do about it."""

    def __init__(self, text: str, *, cure: str = "", code: str, status: int) -> None:
        super().__init__(text)
        self.text = text
        self.cure = cure
        self.code = code
        self.status = status


def usage(text: str, cure: str = "", code: str = "usage") -> Failure:
    """The command was called in a way that can never work."""
    return Failure(text, cure=cure, code=code, status=USAGE)


def finding(text: str, cure: str = "", code: str = "failed") -> Failure:
    """The command was understood and did not succeed."""
    return Failure(text, cure=cure, code=code, status=FINDING)


def nothing_running(text: str, cure: str = "") -> Failure:
    """There is no network to talk to."""
    return Failure(text, cure=cure, code="nothing_running", status=NOTHING_RUNNING)


def console() -> Console:
    """Where people read results. A width is only assumed where the output is no terminal."""
    wide = None if sys.stdout.isatty() else 160
    return Console(highlight=False, width=wide)


def error_console() -> Console:
    """Where people read errors and progress."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def emit(fields: Mapping[str, Any]) -> None:
    """Prints the one JSON object of a command."""
    text = json.dumps({"schema": SCHEMA, **fields}, ensure_ascii=False, indent=2)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Prints a line for people."""
    console().print(escape(text), soft_wrap=True)


def note(text: str) -> None:
    """Prints a line about progress for people, outside the result."""
    error_console().print(escape(text))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table for people; the first column is never cut."""
    shown = Table(title=escape(title), title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        shown.add_column(escape(column), no_wrap=number == 0, overflow="fold")
    for row in rows:
        shown.add_row(*(escape("" if value is None else str(value)) for value in row))
    console().print(shown)


def details(title: str, fields: Mapping[str, object]) -> None:
    """Prints a table of names and values for people."""
    table(title, (_("Field"), _("Value")), fields.items())


def progress() -> Progress:
    """A progress bar on standard error; it shows nothing where that is no terminal."""
    shown = error_console()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=shown,
        transient=True,
        disable=not shown.is_terminal,
    )


@contextlib.contextmanager
def steps(text: str, total: int) -> Iterator[Callable[..., None]]:
    """A progress bar of so many steps; gives what advances it, by one or by as many as told."""
    with progress() as bar:
        task = bar.add_task(text, total=total)
        yield lambda count=1: bar.advance(task, count)


def report_failure(failure: Failure, *, as_json: bool) -> None:
    """Tells why a command ended, for people and, where asked, for programs."""
    if as_json:
        error = {"code": failure.code, "text": failure.text, "cure": failure.cure}
        emit({"error": error})
    shown = error_console()
    shown.print(f"[bold red]{escape(_('Error:'))}[/] {escape(failure.text)}")
    if failure.cure:
        shown.print(f"  {escape(_('What to do:'))} {escape(failure.cure)}")


def finish(status: int) -> None:
    """Ends a command that has said everything; only a finding needs it."""
    if status != GOOD:
        raise typer.Exit(status)
