"""How the commands read their arguments."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Tells misuse as everything else is told: in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(2, f"error: {message}\n")
