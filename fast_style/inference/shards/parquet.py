"""Parquet files of images, a row each."""

import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fast_style.inference.shards.tar import FORMAT, add

COLUMNS = ("image", "jpg", "jpeg", "png", "webp", "bytes")  # where images are looked for, in this order
ROWS = 16  # that are held at a time
MAGIC = {b"\xff\xd8": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp", b"GIF8": ".gif", b"II": ".tif", b"MM": ".tif"}


def import_pyarrow() -> Any:
    """Import what reads Parquet files.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ValueError("Parquet files need pyarrow: pip install 'fast-style[parquet]'") from error
    return pyarrow


def unpack(parquet: Path, called: str, target: Path) -> None:
    """Write the images of a Parquet file to a tar, named by the numbers of their rows: `00000012.jpg`.

    Images are bytes, or bytes and a path, as the datasets of Hugging Face hold them. What else a row holds goes into
    a file beside it, `00000012.json`, but for other bytes.

    Args:
        parquet: the file.
        called: what the user calls it.
        target: the tar to write.

    Raises:
        ValueError: if pyarrow is not installed, or the file is damaged or has no column of images.
    """
    pyarrow = import_pyarrow()
    try:
        with pyarrow.parquet.ParquetFile(parquet) as file, tarfile.open(target, "w", format=FORMAT) as archive:
            column = _column({field.name: str(field.type) for field in file.schema_arrow}, called)
            for number, row in enumerate(_rows(file)):
                data, about = _parts(row, column)
                add(archive, f"{number:08}{_suffix(data)}", data)
                if about:
                    add(archive, f"{number:08}.json", json.dumps(about, ensure_ascii=False, default=str).encode())
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"cannot read shard {called}: {error}") from error


def _column(types: Mapping[str, str], called: str) -> str:
    """Find the column of images."""
    for name in COLUMNS:
        if "binary" in types.get(name, ""):
            return name
    raise ValueError(
        f"shard {called} has no column of images: looked for bytes in {', '.join(COLUMNS)}, "
        f"it has {', '.join(types) or 'none'}"
    )


def _rows(file: Any) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(batch_size=ROWS):
        yield from batch.to_pylist()


def _parts(row: Mapping[str, Any], column: str) -> tuple[bytes, dict[str, Any]]:
    """Part a row into its image, empty if it has none, and what else is known of that."""
    image = row[column] or b""
    about = {name: value for name, value in row.items() if name != column and not isinstance(value, bytes)}
    if isinstance(image, Mapping):
        about |= {"path": image["path"]} if image.get("path") else {}
        image = image.get("bytes") or b""
    return image, about


def _suffix(data: bytes) -> str:
    return next((suffix for magic, suffix in MAGIC.items() if data.startswith(magic)), ".jpg")
