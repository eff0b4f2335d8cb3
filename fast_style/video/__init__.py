"""Films: pictures, sound and times in and out of files, by PyAV, which is loaded only once a film is opened.

`open_frames` reads, `FilmTarget`, `FolderTarget` and `AnimationTarget` write, `run` stylizes from one to the other.
Several processes may make a film, each with a `PartTarget` for the frames that are marked for it.
"""

from fast_style.video.animation import AnimationTarget
from fast_style.video.begun import READ, Begun, is_partial, partial_frames
from fast_style.video.decoding import squared
from fast_style.video.encoding import Look, check_look, nominal_rate
from fast_style.video.folders import FolderTarget, FrameFolder, films_in, frame_files, stands_for_frames
from fast_style.video.formats import CONTAINERS, FILMS, codec_of, is_film, is_pattern, keeps_alpha, keeps_aspect
from fast_style.video.frame import Frame, Wanted
from fast_style.video.live import Camera, Jpegs, Latest, is_camera, playing
from fast_style.video.marks import Mark
from fast_style.video.masks import MovingMask, moves, open_frames
from fast_style.video.muxing import Timing
from fast_style.video.parts import Parts
from fast_style.video.pipeline import Ahead, Target, run
from fast_style.video.reading import Film
from fast_style.video.smoothing import Smoother
from fast_style.video.streams import check_streams
from fast_style.video.target import FilmTarget, PartTarget
from fast_style.video.virtual_camera import virtual_camera

__all__ = ["CONTAINERS", "FILMS", "READ", "Ahead", "AnimationTarget", "Begun", "Film", "FilmTarget", "FolderTarget"]
__all__ += ["Frame", "FrameFolder", "Look", "Mark", "MovingMask", "PartTarget", "Parts", "Smoother", "Target", "Timing"]
__all__ += ["Camera", "Jpegs", "Latest", "Wanted", "is_camera", "playing"]
__all__ += ["check_look", "check_streams", "codec_of", "films_in", "frame_files", "is_film", "is_partial", "is_pattern"]
__all__ += ["keeps_alpha", "keeps_aspect", "moves", "nominal_rate", "open_frames", "partial_frames", "run", "squared"]
__all__ += ["stands_for_frames", "virtual_camera"]
