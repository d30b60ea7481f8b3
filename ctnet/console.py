"""TODO."""

import sys

from ctnet.distributed import rank

ERROR = "ctnet: "  # how the command line marks an error
NOTE = "note: "  # and, behind that, what is none


def tell(error: object) -> None:
    """An error's line on standard error, in one piece: processes of a job write to the same place."""
    sys.stderr.write(f"{ERROR}{error}\n")


def note(text: object) -> None:
    """A line on standard error of what a user should know and is no error; in a job rank 0 says it."""
    if rank() == 0:
        tell(f"{NOTE}{text}")
