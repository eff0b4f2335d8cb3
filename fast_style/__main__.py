"""The commands: `python -m fast_style COMMAND …`, or `fast-style COMMAND …` once installed."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from fast_style.errors import did_you_mean
from fast_style.processor import processor_kind, share_cores
from fast_style.terminal import accept_any_text, ending_quietly
from fast_style.version import __version__

COMMANDS = {
    "train": "teach a network a painting: style=NAME data.root=PHOTOS",
    "stylize": "apply a trained network to photos",
    "optimize": "make one picture without a network, by optimisation",
    "evaluate": "measure networks on photos, or their flicker on a film",
    "export": "write a trained network as ONNX",
    "publish": "write a trained network and its model card, for a hub",
    "serve": "open a page on this machine: stylize photos, learn paintings",
}


@ending_quietly()
def main() -> None:
    """Run the command that the first argument names; exits with 2 if there is none of this name."""
    accept_any_text()
    installed = Path(sys.argv[0]).name.startswith("fast-style")
    program = "fast-style" if installed else "python -m fast_style"
    command, *arguments = sys.argv[1:] or [""]
    if command in COMMANDS:
        run(command, arguments, f"{program} {command}")
    elif command in ("-h", "--help"):
        print(_help(program))
    elif command == "--version":
        print(f"fast_style {__version__}")
    else:
        wrong = f"there is no command {command!r}{did_you_mean(command, COMMANDS)}" if command else "which command?"
        print(f"error: {wrong}: give one of {', '.join(COMMANDS)}, and --help to see what it takes", file=sys.stderr)
        sys.exit(2)


@ending_quietly()
def run(command: str, arguments: Sequence[str], prog: str | None = None) -> None:
    """Run a command.

    Args:
        command: one of `COMMANDS`.
        arguments: the words after its name.
        prog: what its help calls it; None: as `python -m fast_style` does.

    Raises:
        SystemExit: with the exit code, unless it is 0; 2 if `$FAST_STYLE_CPU` is unknown.
    """
    accept_any_text()
    try:
        processor_kind()
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    share_cores()
    if command == "train" and {"-h", "--help"} & {*arguments}:
        print(
            import_module("fast_style.cli.parsers.train").help_text(prog or f"python -m fast_style {command}"), end=""
        )
        return
    if command == "train":  # Hydra reads what it is given from there
        sys.argv[1:] = arguments
        import_module("fast_style.cli.train").main()
        return
    parse = import_module(f"fast_style.cli.parsers.{command}").parse
    options = parse(arguments, prog or f"python -m fast_style {command}")
    # Only now, since it imports PyTorch.
    import_module(f"fast_style.cli.{command}").run(options)


def _help(program: str) -> str:
    commands = (f"  {name:<10}{what}" for name, what in COMMANDS.items())
    return "\n".join(
        (
            f"usage: {program} COMMAND …",
            "",
            *commands,
            "",
            f"{program} COMMAND --help tells more, {program} --version which version this is.",
        )
    )


if __name__ == "__main__":
    main()
