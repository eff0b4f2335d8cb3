"""Features of Inception, and the distance that papers measure in them (FID), by torch-fidelity."""

import io
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from fast_style.images import to_depth

LAYER = "2048"  # torch-fidelity's name of the last features before the classes


class Inception:
    """The Inception v3 of 2015 that FID is defined with, frozen.

    Args:
        weights: the file `weights-inception-2015-12-05-6726825d.pth` that torch-fidelity publishes, the original
            weights for PyTorch. It is read, never executed.

    Raises:
        RuntimeError: if torch-fidelity is not installed.
        FileNotFoundError: if the file does not exist.
        ValueError: if it holds anything else.
    """

    def __init__(self, weights: str | Path) -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError:
            raise RuntimeError("FID needs the package torch-fidelity: pip install 'fast-style[fid]'") from None
        if not Path(weights).is_file():
            raise FileNotFoundError(f"there are no weights of Inception at {weights}")
        checked = io.BytesIO()  # torch-fidelity would execute what the file says
        try:
            torch.save(torch.load(weights, "cpu", weights_only=True), checked)
            checked.seek(0)
            self._network = FeatureExtractorInceptionV3("inception", [LAYER], feature_extractor_weights_path=checked)
        except Exception as error:  # on a damaged file the unpickler raises nearly anything
            raise ValueError(
                f"{weights} does not hold the weights of Inception as torch-fidelity publishes them, "
                "weights-inception-2015-12-05-6726825d.pth"
            ) from error

    @torch.inference_mode()
    def __call__(self, images: Iterable[Tensor]) -> Tensor:
        """Describe images of any size, rounded to 8 bits and resized to 299 × 299 pixels as the original does.

        Args:
            images: each (1, 3, H, W) in [0, 1].

        Returns:
            Features (N, 2048).
        """
        return torch.cat([self._network(to_depth(image, 8))[0] for image in images])


def frechet_distance(features: Tensor, real: Tensor) -> float:
    """Squared Fréchet distance of two normal distributions that have the means and covariances of two sets.

    |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½). It is called FID where the features are those of Inception. Of few images it
    is too high, 10,000 are usual: compare sets of one size.

    Args:
        features: of one set, (N, C), N at least 2.
        real: of the other set, (M, C), M at least 2.

    Raises:
        RuntimeError: if torch-fidelity is not installed.

    Source: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium"
    (https://arxiv.org/abs/1706.08500), equation 6.
    """
    try:
        from torch_fidelity import metric_fid
    except ImportError:
        raise RuntimeError("FID needs the package torch-fidelity: pip install 'fast-style[fid]'") from None
    one, other = (metric_fid.fid_features_to_statistics(each.double().cpu()) for each in (features, real))
    return float(metric_fid.fid_statistics_to_metric(one, other, verbose=False)[metric_fid.KEY_METRIC_FID])
