"""Which files are films, which containers and codecs films are written in, and how frames in folders are named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
FILMS = (*CONTAINERS, ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv")
PATTERN = re.compile(r"%(0\d+)?d")  # of printf: %d, %04d


@dataclass(frozen=True)
class Codec:
    """How pictures are encoded.

    Attributes:
        name: what `--codec` calls it.
        encoder: what FFmpeg calls the encoder.
        formats: pixel formats by bits a channel.
        transparent: the pixel format with transparency; None: there is none.
        crf: the quality if none is asked for, lower is better; None: it cannot be chosen.
        most: the highest crf.
        options: of the encoder.
        even: whether width and height must be even.
        tag: what MP4 and MOV call the stream so that all players take it; None: as FFmpeg does.
    """

    name: str
    encoder: str
    formats: Mapping[int, str]
    transparent: str | None = None
    crf: int | None = None
    most: int = 51
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    even: bool = False
    tag: str | None = None


_TWO_DEPTHS = MappingProxyType({8: "yuv420p", 10: "yuv420p10le"})
# Its "macroblock tree" reads memory that nobody has set, in some sizes: one film twice gives two files.
_X264 = {"preset": "veryfast", "x264-params": "no-mbtree=1"}
_VP9 = {"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1", "auto-alt-ref": "0"}
CODECS = {
    codec.name: codec
    for codec in (
        Codec("h264", "libx264", _TWO_DEPTHS, crf=18, options=_X264, even=True),
        Codec("hevc", "libx265", _TWO_DEPTHS, crf=20, options={"preset": "fast"}, even=True, tag="hvc1"),
        Codec("av1", "libsvtav1", _TWO_DEPTHS, crf=28, most=63, options={"preset": "8"}, even=True),
        Codec("vp9", "libvpx-vp9", {8: "yuv420p"}, "yuva420p", 28, 63, _VP9),
        Codec("prores", "prores_ks", {10: "yuv422p10le"}, "yuva444p10le", even=True),
    )
}


def is_film(path: str | Path) -> bool:
    """Tell by its suffix whether a file is a film."""
    return Path(path).suffix.lower() in FILMS


def is_pattern(path: str | Path) -> bool:
    """Tell whether a path stands for numbered frames, such as `frames/%05d.png`; no film does."""
    return PATTERN.search(Path(path).name) is not None and not is_film(path)


def codec_of(path: Path, name: str | None, bits: int, alpha: bool) -> Codec:
    """Choose the codec of a film.

    Args:
        path: the film that is written; its suffix names the container.
        name: one of `CODECS`; None: VP9 in WebM, else what keeps transparency where the container has it (ProRes in
            MOV, VP9 in MKV), else HEVC from 10 bits on (MP4, MOV, MKV), else H.264.
        bits: per channel, of what is to be encoded.
        alpha: whether it is transparent in parts.

    Raises:
        ValueError: if there is no such container or codec, or the container cannot hold it.
    """
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        raise ValueError(f"cannot write {path}: the suffix of a film must be one of {', '.join(CONTAINERS)}")
    if name is None:
        transparent = {".mov": "prores", ".mkv": "vp9"}.get(suffix) if alpha else None
        deep = "hevc" if bits > 8 else "h264"
        name = "vp9" if suffix == ".webm" else transparent or deep
    if name not in CODECS:
        raise ValueError(f"the codec must be one of {', '.join(CODECS)}, got {name!r}")
    if suffix not in _holding(name):
        raise ValueError(f"{suffix} cannot hold {name}: choose {' or '.join(_holding(name))}, or another --codec")
    return CODECS[name]


def keeps_alpha(path: Path, codec: Codec) -> bool:
    """Tell whether a film keeps transparency: that of VP9 is kept beside its packets, for which MP4 has no place."""
    return codec.transparent is not None and (codec.name != "vp9" or path.suffix.lower() in (".webm", ".mkv"))


def keeps_aspect(path: Path, codec: Codec) -> bool:
    """Tell whether a film keeps pixels that are not square: H.264 and HEVC tell of them, else MP4 and MOV do."""
    return codec.name in ("h264", "hevc") or path.suffix.lower() not in (".mkv", ".webm")


def _holding(name: str) -> list[str]:
    """List the containers that hold a codec and that players expect it in."""
    lacking = {
        ".webm": {"h264", "hevc", "prores"},
        ".mp4": {"prores"},
        ".m4v": {"prores", "av1", "vp9"},
        ".mov": {"av1", "vp9"},
    }
    return [suffix for suffix in CONTAINERS if name not in lacking.get(suffix, set())]
