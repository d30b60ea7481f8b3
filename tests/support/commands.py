"""Run a command of ctnet in this process and return what it printed."""

from ctnet.cli.main import main


def output(capsys, *words, status: int = 0) -> str:
    """Return the standard output of a command that must end with `status`."""
    capsys.readouterr()
    assert main([str(w) for w in words]) == status
    return capsys.readouterr().out


def mistake(capsys, *words) -> str:
    """Return the only line, on standard error, of a command that must end with status 2."""
    capsys.readouterr()
    assert main([str(w) for w in words]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("ctnet: ") and told.err.count("\n") == 1
    return told.err
