"""Messages to the user, one line each on standard error."""

import sys

from ctnet.distributed import from_rank_0, rank


def tell(error: object) -> None:
    """Print an error as `ctnet: ...` on standard error; one that all ranks raise is printed by rank 0 only.

    Args:
        error: An exception or a text. If `distributed.on_all_ranks` marked it, every rank must call this function: the
            others wait for rank 0, as torchrun ends all ranks when the first one exits.
    """
    if getattr(error, "on_all_ranks", False):
        from_rank_0(lambda: _write(error))
    else:
        _write(error)


def note(text: object) -> None:
    """Print `ctnet: note: ...` on standard error, on rank 0 only: something to know that is not an error."""
    if rank() == 0:
        _write(f"note: {text}")


def _write(text: object) -> None:
    sys.stderr.write(f"ctnet: {text}\n")  # in one call: several ranks may write to the same terminal
