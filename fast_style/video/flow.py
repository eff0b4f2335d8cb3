"""How pictures move from one frame to the next: dense optical flow, and where it tells nothing."""

from types import ModuleType

import numpy as np

SIDE = 640  # pixels of the long side at which flow is found; larger frames have it scaled


def opencv() -> ModuleType:
    """Load OpenCV, which works in one thread: with more, flow depends on their number.

    Raises:
        RuntimeError: if it is not installed.
    """
    try:
        import cv2
    except ImportError:
        raise RuntimeError("optical flow needs the package opencv: pip install 'fast-style[video]'") from None
    cv2.setNumThreads(1)
    return cv2


def flow_between(first: np.ndarray, second: np.ndarray, accurate: bool = False) -> np.ndarray:
    """Find where in the second picture what lies at each pixel of the first has gone.

    Dense inverse search (Kroeger et al. 2016, https://arxiv.org/abs/1603.03590).

    Args:
        first: light, uint8 of shape (H, W).
        second: of the same shape.
        accurate: whether its preset `medium` is taken, at full size; else `fast`, at up to 640 pixels.

    Returns:
        Pixels to the right and down, float32 of shape (H, W, 2).
    """
    cv2 = opencv()
    height, width = first.shape
    small = [first, second] if accurate else [_reduced(picture) for picture in (first, second)]
    h, w = small[0].shape
    if min(h, w) < 16:  # the coarsest patches have 8 pixels
        return np.zeros((height, width, 2), np.float32)
    preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if accurate else cv2.DISOPTICAL_FLOW_PRESET_FAST
    search = cv2.DISOpticalFlow_create(preset)
    flow: np.ndarray = search.calc(*small, None)
    if (h, w) != (height, width):
        flow = cv2.resize(flow, (width, height)) * np.array([width / w, height / h], np.float32)
    return flow


def hidden(flow: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Tell where what is seen in a picture is not seen in the other, or the flow is not to be trusted.

    |f + b|² > 0.01 (|f|² + |b|²) + 0.5, with the flow f and the flow b back, at the place that f leads to (Sundaram et
    al. 2010; Ruder et al. 2016, https://arxiv.org/abs/1604.08610, section 4.2).

    Args:
        flow: from the picture to the other, (H, W, 2).
        back: from the other to the picture, (H, W, 2).

    Returns:
        True where it is hidden, (H, W); also where the flow leads out of the picture.
    """
    h, w = flow.shape[:2]
    there = moved(back, flow)
    apart = ((flow + there) ** 2).sum(-1)
    lengths = (flow**2).sum(-1) + (there**2).sum(-1)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    x, y = x + flow[..., 0], y + flow[..., 1]
    outside = (x < 0) | (y < 0) | (x > w - 1) | (y > h - 1)
    return np.asarray((apart > 0.01 * lengths + 0.5) | outside)


def at_edges(flow: np.ndarray) -> np.ndarray:
    """Tell where one motion ends and another begins: |∇f|² > 0.01 |f|² + 0.002, after the same sources.

    Args:
        flow: (H, W, 2).

    Returns:
        True at such edges, (H, W).
    """
    down, right = np.gradient(flow, axis=(0, 1))
    return np.asarray((down**2 + right**2).sum(-1) > 0.01 * (flow**2).sum(-1) + 0.002)


def farneback(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Find the flow by polynomials (Farnebäck 2003), as TecoGAN does for tOF: (H, W, 2)."""
    flow = opencv().calcOpticalFlowFarneback(first, second, None, 0.5, 3, 15, 3, 5, 1.2, 0)
    return np.asarray(flow)


def moved(picture: np.ndarray, flow: np.ndarray, cubic: bool = False) -> np.ndarray:
    """Take each pixel from where the flow leads to: what was there, laid where it is now.

    Args:
        picture: float32 of shape (H, W, C).
        flow: from where it is now to where it was, (H, W, 2).
        cubic: whether pixels are interpolated cubically, which blurs less, else linearly.
    """
    cv2 = opencv()
    h, w = flow.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    how = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return np.asarray(cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], how, borderMode=cv2.BORDER_REPLICATE))


def _reduced(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape
    scale = SIDE / max(h, w)
    if scale >= 1:
        return np.ascontiguousarray(picture)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    return np.asarray(opencv().resize(picture, size, interpolation=opencv().INTER_AREA))
