"""`python -m bubi` is the command `bubi`."""

from bubi.cli import main

main()
