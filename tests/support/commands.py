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
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("ctnet: ") and captured.err.count("\n") == 1
    return captured.err
