"""`python -m vgbench` is the `vgbench` command."""

from vgbench.cli.main import run

run()
