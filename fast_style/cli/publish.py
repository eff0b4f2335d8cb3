"""The publishing command: a network, its contact sheet and its model card into one folder."""

import argparse
import hashlib

from fast_style import images
from fast_style.checkpoint.card import Card, published
from fast_style.cli.arguments import check_new, check_spared
from fast_style.files import replacing
from fast_style.terminal import telling_errors

CARD = "README.md"


def run(options: argparse.Namespace) -> None:
    """Write a network and its card.

    Args:
        options: see `fast_style.cli.parsers.publish`.

    Raises:
        SystemExit: with 2 after misuse, with 1 after a failure, with 130 after Ctrl-C.
    """
    with telling_errors():
        content, metadata = published(options.network)
        sheet = options.sheet
        if sheet is None and options.network.with_suffix(".png").is_file():
            sheet = options.network.with_suffix(".png")
        name = options.network.name
        files = {name: content}
        if sheet is not None:
            images.read_header(sheet)  # tells what is no picture
            files[sheet.name] = sheet.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        shown = "" if sheet is None else sheet.name
        card = Card(options.license, options.painting, options.photos, options.repository, shown)
        files[CARD] = card.text(name, metadata, digest, len(content)).encode()
        for each in files:
            check_new(options.folder / each, options.overwrite)
        check_spared([options.folder / name], [options.network], "folder")
        for each, data in files.items():  # the card last: what it tells of is there
            with replacing(options.folder / each) as file:
                file.write(data)
        print(f"wrote {', '.join(files)} in {options.folder}; sha256:{digest}")
