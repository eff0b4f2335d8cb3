"""Networks behind an address, kept on this machine once they are complete and checked."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from fast_style.checkpoint.content import read
from fast_style.files import cache_dir, digest_of, replacing

SUFFIX = ".safetensors"
MAX_BYTES = 500_000_000
HUB = "https://huggingface.co"  # $HF_ENDPOINT names another server of the same interface
PIN = "@sha256:"


@dataclass(frozen=True)
class NetworkAddress:
    """Where a network lies.

    Attributes:
        address: `https://…`, `hf://USER/REPO/FILE`, or another address that fsspec knows, such as `s3://…`.
        digest: the SHA-256 that the file must have, 64 hexadecimal digits; empty: whatever is there.
    """

    address: str
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> "NetworkAddress":
        """Read `ADDRESS` or `ADDRESS@sha256:DIGEST`.

        Raises:
            ValueError: if the address is not that of a `.safetensors` file, an `hf://` address lacks its parts, or the
                digest has not 64 hexadecimal digits.
        """
        address, pin, digest = text.partition(PIN)
        if pin and not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
            raise ValueError(f"the digest of {address} must be 64 hexadecimal digits after {PIN}, got {digest!r}")
        if not address.partition("?")[0].lower().endswith(SUFFIX):
            raise ValueError(
                f"cannot take a network from {address}: it must be a {SUFFIX} file, other kinds may hold code"
            )
        found = cls(address, digest.lower())
        if address.startswith("hf://"):
            found.web()
        return found

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.address.partition("?")[0].rpartition("/")[2]

    @property
    def kept(self) -> Path:
        """Where it is kept on this machine: under a name of its own for each address and digest."""
        text = f"{self.address}{PIN}{self.digest}" if self.digest else self.address
        return cache_dir() / "networks" / hashlib.sha256(text.encode()).hexdigest()[:16] / self.name

    def web(self) -> str:
        """Translate `hf://USER/REPO[@REVISION]/FILE` to the address that the hub's server has for it.

        Raises:
            ValueError: if a part is missing.
        """
        parts = re.fullmatch(r"hf://([^/@]+)/([^/@]+)(?:@([^/]+))?/(.+)", self.address)
        if not parts:
            raise ValueError(f"{self.address} must be hf://USER/REPO/FILE{SUFFIX} or hf://USER/REPO@REVISION/FILE…")
        user, repository, revision, file = parts.groups()
        base = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB
        return f"{base}/{user}/{repository}/resolve/{revision or 'main'}/{file}"

    def check(self, file: Path) -> None:
        """Check that a file is a network of ours, and the one that was meant.

        Args:
            file: what came from the address.

        Raises:
            ValueError: if its digest is another, or it is no complete `.safetensors` file of fast_style.
        """
        if self.digest and (digest := digest_of(file)) != self.digest:
            raise ValueError(f"{self.address} has the digest sha256:{digest}, not sha256:{self.digest}: do not use it")
        with file.open("rb") as content:
            head = content.read(9)
        if head[4:] != b"\0\0\0\0{":
            raise ValueError(f"{self.address} is no {SUFFIX} file, whatever its name: nothing else is taken from there")
        try:
            read(file, weights=False)
        except ValueError as error:
            raise ValueError(str(error).replace(str(file), self.address)) from error


def fetch_network(text: str) -> Path:
    """Fetch the network behind an address, unless it was fetched before.

    Args:
        text: `https://…`, `hf://USER/REPO[@REVISION]/FILE.safetensors` (of the hub, as `$HF_TOKEN` if that is set), or
            an address that fsspec knows, such as `s3://BUCKET/FILE.safetensors`; with `@sha256:DIGEST` at its end only
            a file of this digest is taken. At most 500 MB, and nothing but `.safetensors`.

    Returns:
        The file in `networks/` of `files.cache_dir()`. One without a digest stays what it was when it was fetched,
        until it is removed there.

    Raises:
        ValueError: if the address is not that of such a file, what is there is none or too large, its digest is
            another, or a package for the address is not installed.
        FileNotFoundError: if a store has no such file.
        PermissionError: if a store does not let one read it.
        RuntimeError: if the download fails.
        ConnectionError: if a store does not answer.
        OSError: if the file cannot be written.
    """
    source = NetworkAddress.parse(text)
    path = source.kept
    if path.is_file():
        source.check(path)
        return path
    web = source.web() if source.address.startswith("hf://") else source.address
    if web.startswith(("http://", "https://")):
        from fast_style.data.download import download  # not where networks are files

        token = os.environ.get("HF_TOKEN") if source.address.startswith("hf://") else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return download(web, path, source.check, MAX_BYTES, headers=headers)
    from fast_style.remote import RemoteFolder

    folder = RemoteFolder(source.address)
    if (size := folder.size()) > MAX_BYTES:
        raise ValueError(f"cannot fetch {source.address}: it has {size / 1e6:.0f} MB, more than {MAX_BYTES / 1e6:g} MB")
    with replacing(path) as file:
        folder.fetch(Path(file.name))
        source.check(Path(file.name))
    return path
