"""`python -m fast_style COMMAND …`."""

import sys
from importlib import import_module

COMMANDS = ("train", "stylize", "optimize", "evaluate", "export")


def main() -> None:
    """Run the command that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"python -m fast_style {{{','.join(COMMANDS)}}} …")
    command = sys.argv.pop(1)
    import_module(f"fast_style.cli.{command}").main()


if __name__ == "__main__":
    main()
