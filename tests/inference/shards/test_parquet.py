"""Pictures in Parquet files."""

import io
import json
import sys
import tarfile

import PIL.Image
import pytest

from fast_style.inference.pipeline import Settings, Tally
from fast_style.inference.shards import Shard, plan_shards, stylize_shard
from tests.pictures import noise


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    noise((8, 6)).convert("RGB").save(file, kind)
    return file.getvalue()


@pytest.fixture
def parquet(tmp_path):
    """Write the rows of a Parquet file."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    def write(**columns):
        parquet.write_table(arrow.table(columns), tmp_path / "a.parquet", row_group_size=2)
        return Shard(tmp_path / "a.parquet", tmp_path / "out.tar")

    return write


def files(path):
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


@pytest.mark.parametrize("column", ["image", "jpg", "bytes"])
def test_a_column_of_bytes(parquet, column):
    pictures = [encoded("JPEG"), encoded("PNG"), encoded("WEBP")]
    shard = parquet(**{column: pictures, "caption": ["a", "b", None], "thumbnail": [b"x"] * 3})
    assert stylize_shard(shard, lambda photos: 255 - photos, Settings()) == Tally(3)
    made = files(shard.target)
    names = ["00000000.jpg", "00000000.json", "00000001.png", "00000001.json", "00000002.webp", "00000002.json"]
    assert list(made) == names
    assert [json.loads(made[name]) for name in names[1::2]] == [{"caption": each} for each in ("a", "b", None)]
    with PIL.Image.open(io.BytesIO(made[names[2]])) as after, PIL.Image.open(io.BytesIO(pictures[1])) as before:
        assert after.tobytes() == bytes(255 - value for value in before.tobytes())


def test_the_layout_of_hugging_face(parquet, tmp_path):
    rows = [{"bytes": encoded("PNG"), "path": "cat.png"}, {"bytes": None, "path": "dog.png"}]
    shard = parquet(image=rows, label=[3, 4])
    tally = stylize_shard(shard, lambda photos: photos, Settings())
    assert tally == Tally(1, failures=[f"cannot read image {shard.source}/00000001.jpg: it is empty"])
    assert json.loads(files(shard.target)["00000000.json"]) == {"label": 3, "path": "cat.png"}
    folder = Shard(shard.source, tmp_path / "out")
    stylize_shard(folder, lambda photos: photos, Settings())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["00000000.png"]


def test_no_column_of_images(parquet):
    (failure,) = stylize_shard(parquet(image=["text"], label=[1]), lambda photos: photos, Settings()).failures
    assert "has no column of images: looked for bytes in image, jpg, " in failure
    assert failure.endswith("it has image, label")


def test_lists_of_bytes_are_no_images(parquet):
    """Nor are structures whose bytes are named otherwise; the next column is taken."""
    picture = encoded("PNG")
    shard = parquet(image=[[picture]], jpg=[{"data": picture}], bytes=[picture])
    assert stylize_shard(shard, lambda photos: photos, Settings()) == Tally(1)
    assert json.loads(files(shard.target)["00000000.json"]) == {"image": [], "jpg": {}}
    (failure,) = stylize_shard(parquet(image=[[picture]]), lambda photos: photos, Settings(overwrite=True)).failures
    assert "has no column of images" in failure


@pytest.mark.parametrize("kind", ["large_binary", "binary_view"])
def test_other_layouts_of_bytes(parquet, kind):
    arrow = pytest.importorskip("pyarrow")
    shard = parquet(image=arrow.array([encoded("PNG")], getattr(arrow, kind)()))
    assert stylize_shard(shard, lambda photos: photos, Settings()) == Tally(1)


def test_numbers_that_are_not_finite(parquet):
    shard = parquet(image=[encoded("PNG")], score=[float("nan")], scores=[[1.0, float("inf")]])
    assert stylize_shard(shard, lambda photos: photos, Settings()) == Tally(1)
    assert json.loads(files(shard.target)["00000000.json"]) == {"score": None, "scores": [1.0, None]}


def test_a_damaged_file(parquet):
    shard = parquet(image=[encoded("PNG")])
    shard.source.write_bytes(shard.source.read_bytes()[:-9])
    (failure,) = stylize_shard(shard, lambda photos: photos, Settings()).failures
    assert failure.startswith(f"cannot read shard {shard.source}: ")


def test_pyarrow_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").touch()
    reason = r"Parquet files need pyarrow: pip install 'fast-style\[parquet\]'"
    with pytest.raises(ValueError, match=reason):
        plan_shards([str(tmp_path / "a.parquet")], tmp_path / "out")
