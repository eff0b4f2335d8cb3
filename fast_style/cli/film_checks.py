"""What is told of films before the work."""

import argparse
import os
from fractions import Fraction
from pathlib import Path

import torch

from fast_style import images, video
from fast_style.cli.arguments import check_new
from fast_style.cli.cluster import check_engine, check_networks
from fast_style.inference.jobs import Job

THREADS = max(1, min(8, (os.cpu_count() or 1) // 2))  # of the encoder, beside the network
# Options of pictures, and what is done instead.
OF_PICTURES = {
    "profile": "films keep what their colours mean",
    "batch_size": "frames of films are stylized one by one",
}
# What workers of a cluster, each of which has a part of a film, cannot do.
NOT_OF_CLUSTERS = {
    "smooth": "makes each frame of the one before",
    "preview": "shows a film where it is made",
}
OF_WRITTEN_PICTURES = {
    "quality": "the quality of films is --crf",
    "subsampling": "it follows from the --codec of films",
    "bits": "films keep their bits where the --codec has them",
}
OF_FILMS = ("work_size", "codec", "crf")
NOT_OF_PREVIEWS = ("output", "save_style", "codec", "crf", "audio", "background", *OF_WRITTEN_PICTURES)


def check_options(options: argparse.Namespace) -> None:
    """Refuse what does not apply to any film.

    Raises:
        ValueError: if it is given.
    """
    if options.still:
        raise ValueError("--still is of animations: leave it out, or name a picture")
    if options.smooth is not None:
        video.Smoother(lambda photos, _: photos, options.smooth)  # tells what is wrong
    _refuse(options, OF_PICTURES)
    check_engine(options)
    if options.engine == "ray":
        for name, reason in NOT_OF_CLUSTERS.items():
            if getattr(options, name) is not None:
                raise ValueError(f"{_option(name)} {reason}, which takes one process: leave out --engine ray")
        check_networks(options.model)
    if options.preview is None:
        return
    if not 0 <= options.preview <= 65_535:
        raise ValueError(f"the port of --preview must be 0 (any that is free) to 65535, got {options.preview}")
    for name in NOT_OF_PREVIEWS:
        if getattr(options, name) is not None:
            raise ValueError(f"--preview writes no film: leave out {_option(name)}")
    if len(options.input) > 1:
        raise ValueError(f"--preview shows one film or camera, got {len(options.input)}")


def opened(
    job: Job[Path], wanted: video.Wanted, encoding: images.Encoding, options: argparse.Namespace
) -> video.Film | video.FrameFolder:
    """Open a film, and tell what would fail later.

    Raises:
        OSError, ValueError, RuntimeError: if it cannot be read, or what is asked for cannot be written.
    """
    check_new(job.target, overwrite=True)
    if options.engine == "ray" and job.target.suffix.lower() not in video.CONTAINERS:
        raise ValueError(f"engine ray makes films, part by part, and {job.target} is none: leave out --engine ray")
    film = video.open_frames(job.source, wanted)
    if job.target.suffix.lower() in video.CONTAINERS:
        _refuse(options, OF_WRITTEN_PICTURES)
        look = look_of(job, film, options)
        video.check_look(look)
        if look.aspect != film.aspect:
            height, width = look.size
            kind = f"{look.codec.name} in {job.target.suffix}"
            film.notes.append(f"{_oblong(film)}, of which {kind} cannot tell: its pictures become {width}×{height}")
        if options.audio == "copy" and isinstance(film, video.FrameFolder):
            raise ValueError(f"--audio copy is of films, and {job.source} holds frames, without sound: leave it out")
        if isinstance(film, video.Film):
            film.notes.extend(video.check_streams(job.target, film, options.audio != "none"))
        return film
    for name in OF_FILMS:
        if getattr(options, name) is not None:
            advice = "take --size" if name == "work_size" else "leave it out"
            raise ValueError(f"{_option(name)} is of films that are encoded, and {job.target} is none: {advice}")
    if options.audio == "copy":
        raise ValueError(f"--audio copy is of films, and {job.target} holds no sound: leave it out")
    _check_pictures(job, film, encoding)
    if film.aspect != 1:
        seem = "narrow" if film.aspect > 1 else "wide"
        film.notes.append(f"{_oblong(film)}, of which {job.target.suffix} does not tell: its pictures look too {seem}")
    return film


def look_of(job: Job[Path], film: video.Film | video.FrameFolder, options: argparse.Namespace) -> video.Look:
    """Choose how a film is encoded.

    Raises:
        ValueError: if the container has no such codec, or `--work-size` is more than the film has.
    """
    background = images.Encoding(background=options.background).background_rgb
    alpha = film.alpha and background is None
    codec = video.codec_of(job.target, options.codec, film.bits, alpha)
    kept = alpha and video.keeps_alpha(job.target, codec)
    size, aspect = _size(film, options), film.aspect
    if aspect != 1 and not video.keeps_aspect(job.target, codec):
        size, aspect = video.squared(size, aspect, options.size), Fraction(1)
    return video.Look(
        codec,
        size,
        film.deep,
        kept,
        film.colours.encoded(),
        aspect,
        options.crf,
        THREADS,
        background or (0, 0, 0),
        video.nominal_rate(film.rate),
    )


def _size(film: video.Film | video.FrameFolder, options: argparse.Namespace) -> tuple[int, int]:
    """Return the size of the film that is written."""
    if options.work_size is None:
        return film.size
    size = film.size_of(options.size)
    if max(size) < options.work_size:
        raise ValueError(f"--work-size {options.work_size} is more than the film has, {size[1]}×{size[0]}")
    return size


def _check_pictures(job: Job[Path], film: video.Film | video.FrameFolder, encoding: images.Encoding) -> None:
    """Tell whether the format of the frames, or of the animation, holds them."""
    black = images.Frame(torch.zeros((3, 1, 1), dtype=torch.uint8).expand(3, *film.size))
    if video.is_pattern(job.target):
        encoding.check(job.target, images.Picture([black], bits=16 if film.deep else 8))
    else:
        encoding.check(job.target, images.Picture([black, black]))


def _oblong(film: video.Film | video.FrameFolder) -> str:
    return f"the pixels of {film.path} are not square ({film.aspect.numerator}:{film.aspect.denominator})"


def _refuse(options: argparse.Namespace, reasons: dict[str, str]) -> None:
    for name, reason in reasons.items():
        if getattr(options, name) is not None:
            raise ValueError(f"{_option(name)} is of pictures, {reason}: leave it out")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
