"""What each command takes; apart from the commands, since help and misuse are told without importing PyTorch."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Tells misuse as everything else is told: in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the message in one line and exit with 2."""
        self.exit(2, f"error: {' '.join(message.split())}\n")
