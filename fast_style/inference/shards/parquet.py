"""Parquet files of images, a row each."""

import json
import math
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
    a file beside it, `00000012.json`, but for other bytes; a number that is not finite is null there.

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
            column = _column(file.schema_arrow, called)
            for number, row in enumerate(_rows(file)):
                data, about = _parts(row, column)
                add(archive, f"{number:08}{_suffix(data)}", data)
                if about:
                    text = json.dumps(about, ensure_ascii=False, allow_nan=False, default=str)
                    add(archive, f"{number:08}.json", text.encode())
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"cannot read shard {called}: {error}") from error


def _column(schema: Any, called: str) -> str:
    """Find the column of images."""
    types = {field.name: field.type for field in schema}
    for name in COLUMNS:
        if name in types and _holds_images(types[name]):
            return name
    raise ValueError(
        f"shard {called} has no column of images: looked for bytes in {', '.join(COLUMNS)}, "
        f"it has {', '.join(types) or 'none'}"
    )


def _holds_images(kind: Any) -> bool:
    """Tell whether a type of a column is that of bytes, or of a structure with some that are named so."""
    types = import_pyarrow().types
    if types.is_struct(kind):
        return any(field.name == "bytes" and _holds_images(field.type) for field in kind)
    return any(check(kind) for check in (types.is_binary, types.is_large_binary, types.is_binary_view))


def _rows(file: Any) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(batch_size=ROWS):
        yield from batch.to_pylist()


def _parts(row: Mapping[str, Any], column: str) -> tuple[bytes, dict[str, Any]]:
    """Part a row into its image, empty if it has none, and what else is known of that."""
    image = row[column] or b""
    about = _told({name: value for name, value in row.items() if name != column})
    if isinstance(image, Mapping):
        about |= {"path": image["path"]} if image.get("path") else {}
        image = image.get("bytes") or b""
    return image, about


def _told(value: Any) -> Any:
    """Make of a value what JSON holds: without bytes, and null for a number that is not finite."""
    if isinstance(value, Mapping):
        return {name: _told(each) for name, each in value.items() if not isinstance(each, bytes)}
    if isinstance(value, list | tuple):
        return [_told(each) for each in value if not isinstance(each, bytes)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _suffix(data: bytes) -> str:
    return next((suffix for magic, suffix in MAGIC.items() if data.startswith(magic)), ".jpg")
