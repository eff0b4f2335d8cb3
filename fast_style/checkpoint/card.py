"""Networks as others find them: the file without what is of one machine alone, and a card that tells what it is."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import quote

from safetensors import safe_open
from safetensors.torch import save

from fast_style.checkpoint.content import build, read
from fast_style.checkpoint.hub import PIN
from fast_style.networks import PREFIX, TakesImages

MARK = "heldout/weighted/"
HERE = re.compile(r"^(\S+::)?(file|local):/\S", re.IGNORECASE)  # how an address of a file of this machine begins


@dataclass(frozen=True)
class Card:
    """What a model card tells beyond what the file says of itself.

    Attributes:
        licence: of the network, as the hub writes it, such as `cc-by-4.0`.
        painting: what the painting is and whose, in words; empty: the name of the style.
        photos: what it was trained on, in words; empty: the name of the folder.
        repository: `USER/REPO` of the hub where it will lie; empty: not known yet.
        sheet: the name of a contact sheet beside the card; empty: there is none.
    """

    licence: str
    painting: str = ""
    photos: str = ""
    repository: str = ""
    sheet: str = ""

    def text(self, name: str, metadata: Mapping[str, Any], digest: str, size: int) -> str:
        """Write the card in Markdown, with the header that the hub reads.

        Args:
            name: of the file.
            metadata: what the file says of its network, see `read_metadata`.
            digest: SHA-256 of the file, 64 hexadecimal digits.
            size: of the file in bytes.
        """
        network = build(Path(name), metadata)
        styles = list(metadata["arguments"].get("styles") or ())
        any_style = isinstance(network, TakesImages) and network.takes_images
        painting = _line(self.painting) or ", ".join(map(_line, styles or [metadata.get("style") or Path(name).stem]))
        does = "any style" if any_style else f"the style of {painting}"
        choice = ["--style", "painting.jpg"] if any_style else ["--style", styles[0]] if styles else []
        parts = [self._header(), self._what(name, does), self._use(name, choice, digest)]
        parts.append(self._how(metadata, digest, size))
        return "\n\n".join(part for part in [*parts, _measured(metadata), self._rights(metadata)] if part) + "\n"

    def _header(self) -> str:
        lines = [f"license: {self.licence}", "library_name: fast-style", "pipeline_tag: image-to-image"]
        return "\n".join(["---", *lines, "tags: [style-transfer, fast-style]", "---"])

    def _what(self, name: str, does: str) -> str:
        sheet = f"\n\n![photo, style, result]({quote(self.sheet)})" if self.sheet else ""
        return (
            f"# {Path(name).stem}\n\nA network of fast_style that paints photos in {does}, in one forward pass.{sheet}"
        )

    def _use(self, name: str, choice: Sequence[str], digest: str) -> str:
        model = f"hf://{self.repository}/{name}{PIN}{digest}" if self.repository else name
        words = shlex.join(["fast-style", "stylize", "--model", model, *choice, "--input", "photo.jpg"])
        return f"```bash\n{words}\n```"

    def _how(self, metadata: Mapping[str, Any], digest: str, size: int) -> str:
        config = metadata.get("config") or {}
        data = config.get("data") or {}
        arguments = ", ".join(f"{key}={value}" for key, value in metadata["arguments"].items() if key != "styles")
        photos = _line(self.photos) or _line(_last(str(data.get("root") or ""))) or "procedural scenes"
        crops = f", crops of {data['size']} px, batches of {data['batch_size']}" if "size" in data else ""
        rows = {
            "network": f"`{metadata['network'].removeprefix(PREFIX)}({arguments})`",
            "trained on": f"{photos}{crops}",
            "steps": metadata.get("steps"),
            "started from": _line(_last(str(config.get("init") or ""))),
            "losses": _losses(config.get("model") or {}),
            "written by": f"fast_style {metadata.get('fast_style')}, PyTorch {metadata.get('torch')}",
            "file": f"{size / 1e6:.2f} MB, `sha256:{digest}`",
        }
        lines = [f"| {key} | {value} |" for key, value in rows.items() if value]
        return "\n".join(["| | |", "|---|---|", *lines])

    def _rights(self, metadata: Mapping[str, Any]) -> str:
        note = _line(str(metadata.get("license_note") or ""))
        return f"Licence of this file: {self.licence}. {note}".strip()


def without_places(value: Any) -> Any:
    """Shorten whatever is an absolute path, or one in a home folder, to its last part; `value` is made of JSON."""
    if isinstance(value, dict):
        return {key: without_places(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_places(each) for each in value]
    return _last(value) if isinstance(value, str) and _is_place(value) else value


def published(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Read a network to be published: its weights as they are, its metadata without absolute paths.

    Args:
        path: a `.safetensors` file of ours.

    Returns:
        The content of the file to be written, and its metadata.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is another kind of file, damaged, or does not describe a network that can be built.
    """
    if path.suffix.lower() != ".safetensors":
        raise ValueError(f"cannot publish {path}: it must be the .safetensors that training exported")
    metadata, state = read(path)
    build(path, metadata)
    with safe_open(path, "pt") as file:  # as it stands there, such as in which order
        texts = {key: json.dumps(without_places(json.loads(text))) for key, text in file.metadata().items()}
    return save(state, texts), {key: json.loads(text) for key, text in texts.items()}


def _is_place(text: str) -> bool:
    if HERE.search(text):
        return True
    plain = "://" not in text and "\n" not in text
    return plain and (text.startswith(("/", "~", "\\\\", "../")) or PureWindowsPath(text).drive != "")


def _last(text: str) -> str:
    pure = PureWindowsPath(text) if "\\" in text or PureWindowsPath(text).drive else PurePosixPath(text)
    return pure.name or str(pure)


def _line(text: str) -> str:
    """Make a text one line that breaks no table."""
    return " ".join(text.split()).replace("|", "\\|")


def _losses(model: Mapping[str, Any]) -> str:
    """List the losses with their weights, by the names that the configuration has for them."""
    weights: dict[str, Any] = {}
    for part in (model, model.get("loss") or {}):
        weights |= {key.removesuffix("_weight"): value for key, value in part.items() if key.endswith("_weight")}
        weights |= part.get("term_weights") or {}
    network = (model.get("loss") or {}).get("loss_network") or {}
    which = f" with the weights {_line(_last(str(network['weights'])))}" if network.get("weights") else ""
    under = f", under {network['name']}{which}" if network.get("name") else ""
    told = ", ".join(
        f"{name} {weight:g}" for name, weight in weights.items() if isinstance(weight, int | float) and weight
    )
    return told + under if told else ""


def _measured(metadata: Mapping[str, Any]) -> str:
    """Write the table of the losses on held-out photos, weighted, before and after the training."""
    before, after = (metadata.get(f"heldout_{when}") or {} for when in ("before", "after"))
    names = ["heldout/total_loss"] + [
        key for key in after if key.startswith(MARK) and key.count("/") == MARK.count("/")
    ]
    rows = [f"| {name.rpartition('/')[2]} | {_number(before, name)} | {_number(after, name)} |" for name in names]
    if "heldout/total_loss" not in after:
        return ""
    head = ["Losses on held-out photos, weighted, at the start and at the end of the training:", ""]
    return "\n".join([*head, "| | before | after |", "|---|---|---|", *rows])


def _number(values: Mapping[str, Any], name: str) -> str:
    return f"{values[name]:.4g}" if isinstance(values.get(name), int | float) else ""
