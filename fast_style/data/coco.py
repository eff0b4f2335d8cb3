"""Microsoft COCO, the photos of Johnson et al. 2016."""

import zipfile
from pathlib import Path

from fast_style.data.download import download

SPLITS = ("train2017", "val2017")
BASE_URL = "http://images.cocodataset.org/zips"


def download_coco(root: str | Path, split: str = "train2017", base_url: str = BASE_URL) -> Path:
    """Find COCO's photos under `root`, downloading them first if they are not there; shows its progress.

    Licence: COCO's annotations are CC BY 4.0; the photos belong to their Flickr authors, each under its own Creative
    Commons licence, listed with the annotations (https://cocodataset.org/#termsofuse).

    Args:
        root: folder that keeps the download; it is created if needed.
        split: `train2017` (118 287 photos, 18 GB) or `val2017` (5 000 photos, 0.8 GB).
        base_url: where the zip files lie.

    Returns:
        `root/SPLIT` if that folder exists, else `root/SPLIT.zip`: either is a root for an `ImageSource`.

    Raises:
        ValueError: if the split is unknown.
        RuntimeError: if the download fails or arrives incomplete; nothing of it is kept.

    Source: Lin et al. 2014, "Microsoft COCO: Common Objects in Context", https://arxiv.org/abs/1405.0312.
    """
    if split not in SPLITS:
        raise ValueError(f"the COCO split must be one of {', '.join(SPLITS)}, got {split!r}")
    root = Path(root)
    folder, archive = root / split, root / f"{split}.zip"
    if folder.is_dir():
        return folder
    url = f"{base_url.rstrip('/')}/{archive.name}"

    def check(path: Path) -> None:
        if not zipfile.is_zipfile(path):  # looks for the table at the end
            raise RuntimeError(f"could not download {url} (it is not a complete zip file)")

    try:
        return download(url, archive, check)
    except RuntimeError as error:
        raise RuntimeError(
            f"{error}: put that file at {archive}, or train on your own photos with data=photos data.root=DIR"
        ) from error
