"""Pictures that are read from and written to addresses."""

import json
from itertools import count

import PIL.Image
import pytest

from fast_style.inference.jobs import plan
from fast_style.inference.manifest import NAME
from fast_style.remote import RemoteFolder

HERE = "s3://photos/in", "s3://photos/out"


@pytest.fixture
def stored(bucket, photos):
    """The photos in the store, at s3://photos/in."""
    bucket.put(str(photos), "photos/in", recursive=True)
    return bucket


@pytest.fixture
def names(stored):
    """List what lies at s3://photos/out."""
    return lambda: [name.removeprefix("photos/out/") for name in stored.find("photos/out")]


def test_a_bucket_to_a_bucket(stylize, stored, names, tally):
    assert stylize("--input", HERE[0], "--output", HERE[1]) == (0, tally(3, 0, 0), "")
    assert names() == ["a.jpg", "b.PNG", NAME, "sub/deep/c.webp"]
    with stored.open("photos/out/b.PNG") as file, PIL.Image.open(file) as picture:
        assert picture.size == (9, 13)
    written = stored.info("photos/out/a.jpg")["LastModified"]
    assert stylize("--input", HERE[0] + "/", "--output", HERE[1] + "/") == (0, tally(0, 3, 0), "")
    assert stored.info("photos/out/a.jpg")["LastModified"] == written


def test_the_same_pictures_as_in_a_folder(stylize, stored, names, photos, tmp_path, tree):
    assert stylize("--input", photos, "--output", tmp_path / "out").code == 0
    assert stylize("--input", HERE[0], "--output", tmp_path / "fetched").code == 0
    assert stylize("--input", photos, "--output", HERE[1]).code == 0
    assert tree(tmp_path / "fetched") == tree(tmp_path / "out") == [name for name in names() if name != NAME]
    for name in tree(tmp_path / "out"):
        content = (tmp_path / "out" / name).read_bytes()
        assert content == (tmp_path / "fetched" / name).read_bytes() == stored.cat_file(f"photos/out/{name}")


def test_a_single_picture(stylize, stored, is_misuse):
    arguments = ("--input", f"{HERE[0]}/a.jpg", "--output", "s3://photos/x.png")
    assert stylize(*arguments).code == 0
    assert is_misuse(stylize(*arguments), "output s3://photos/x.png exists")
    assert stylize(*arguments, "--overwrite").code == 0
    assert stored.ls("photos") == ["photos/in", "photos/x.png"]


def test_several_inputs_and_a_protocol_that_renames(stylize, stored, photos, tmp_path, tree, tally):
    inputs = ("--input", HERE[0], photos / "a.jpg", "--output", f"file://{tmp_path}/out")
    assert stylize(*inputs).out == tally(4, 0, 0)
    assert tree(tmp_path / "out") == ["a.jpg", NAME, "in/a.jpg", "in/b.PNG", "in/sub/deep/c.webp"]


def test_a_web_server_is_read(stylize, server, make, tmp_path, is_misuse):
    make(server.folder / "a.jpg")
    assert stylize("--input", f"{server.url}/a.jpg", "--output", tmp_path / "out").code == 0
    assert (tmp_path / "out" / "a.jpg").is_file()
    assert is_misuse(stylize("--input", tmp_path / "out", "--output", server.url), "a web server is only read")


def test_failures_are_told_and_tried_again(stylize, stored, names, tally):
    stored.pipe_file("photos/in/broken.jpg", b"no image")
    result = stylize("--input", HERE[0], "--output", HERE[1])
    assert (result.code, result.out) == (1, tally(3, 0, 1))
    assert result.err.startswith("cannot read image s3://photos/in/broken.jpg: ")
    about = json.loads(stored.cat_file(f"photos/out/{NAME}"))
    assert about["state"] == "ended"
    assert about["failures"] == [result.err.strip()]
    stored.copy("photos/in/a.jpg", "photos/in/broken.jpg")
    assert stylize("--input", HERE[0], "--output", HERE[1]) == (0, tally(1, 3, 0), "")


def test_names_that_lead_elsewhere_on_a_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(RemoteFolder, "list", lambda _: ["/root.jpg", "../../up.jpg", "a.jpg", "b/../../up.jpg"])
    jobs = plan(["s3://photos/in"], tmp_path, "style").jobs
    assert [job.target.relative_to(tmp_path).as_posix() for job in jobs] == ["root.jpg", "a.jpg"]


def test_connections_that_break(stylize, stored, names, monkeypatch, tally):
    """Every second request fails, and nothing is lost or told."""
    turns = count()

    def breaking(method):
        async def call(*arguments, **options):
            if next(turns) % 2 == 0:
                raise ConnectionResetError("connection reset by peer")
            return await method(*arguments, **options)

        return call

    for name in ("_cat_file", "_pipe_file"):
        monkeypatch.setattr(type(stored), name, breaking(getattr(type(stored), name)))
    assert stylize("--input", HERE[0], "--output", HERE[1]) == (0, tally(3, 0, 0), "")
    assert next(turns) >= 16
    monkeypatch.undo()
    assert len(names()) == 4


def test_a_store_that_is_gone_ends_the_job(stylize, stored, monkeypatch):
    async def gone(*_, **__):
        raise ConnectionResetError("connection reset by peer")

    monkeypatch.setattr(type(stored), "_cat_file", gone)
    result = stylize("--input", HERE[0], "--output", "s3://photos/elsewhere")
    assert result.code == 1
    assert result.err.startswith("error: cannot read ")
    assert result.err.count("\n") == 1


def test_another_job(stylize, stored, photos, model, is_misuse, tally):
    assert stylize("--input", HERE[0], "--output", HERE[1]).code == 0
    result = stylize("--input", HERE[0], "--output", HERE[1], "--strength", "0.5")
    assert is_misuse(result, f"{HERE[1]}/{NAME} is of another job, which had other --strength: choose another --output")
    assert is_misuse(stylize("--input", photos, "--output", HERE[1]), "which had other --input")
    assert stylize("--input", photos, "--output", HERE[1], "--overwrite").out == tally(3, 0, 0)
    assert is_misuse(stylize("--input", HERE[0], "--output", HERE[1]), "which had other --input")


def test_what_could_not_be_replaced_is_made_by_the_next_command(stylize, stored, tally):
    assert stylize("--input", HERE[0], "--output", HERE[1]).code == 0
    photo, before = stored.cat_file("photos/in/a.jpg"), stored.cat_file("photos/out/a.jpg")
    stored.pipe_file("photos/in/a.jpg", b"no image")
    other = ("--input", HERE[0], "--output", HERE[1], "--strength", "0.5")
    assert stylize(*other, "--overwrite").out == tally(2, 0, 1)
    assert stored.cat_file("photos/out/a.jpg") == before
    stored.pipe_file("photos/in/a.jpg", photo)
    assert stylize(*other) == (0, tally(1, 2, 0), "")
    assert stored.cat_file("photos/out/a.jpg") != before
    assert stylize(*other).out == tally(0, 3, 0)


def test_replacing_that_was_interrupted(stylize, stored, is_misuse, tally):
    assert stylize("--input", HERE[0], "--output", HERE[1]).code == 0
    place = f"photos/out/{NAME}"
    about = json.loads(stored.cat_file(place))
    stored.pipe_file(place, json.dumps(about | {"state": "replacing"}).encode())
    again = ("--input", HERE[0], "--output", HERE[1])
    assert is_misuse(stylize(*again), "was replacing pictures: give --overwrite again")
    assert stylize(*again, "--overwrite").code == 0
    assert stylize(*again).out == tally(0, 3, 0)
    stored.pipe_file(place, b"[]")
    assert is_misuse(stylize(*again), "is no manifest of a job")


@pytest.mark.parametrize(
    ("inputs", "output", "sentence"),
    [
        (HERE[0], HERE[0], f"output {HERE[0]} lies in the input {HERE[0]}"),
        ("s3://photos", HERE[1], f"output {HERE[1]} lies in the input s3://photos"),
        (HERE[0], None, f"nothing is written beside {HERE[0]}: give --output"),
        (HERE[0], "s3://nowhere/out", f"cannot write {NAME} to s3://nowhere/out: The specified bucket does not exist"),
        ("s3://nowhere/in", HERE[1], "cannot list s3://nowhere/in: "),
        ("s3://photos/empty", HERE[1], "cannot list s3://photos/empty: "),
        (HERE[0], "nonsense://out", "cannot open nonsense://out: Protocol not known: nonsense"),
        ("s3://photos/clip.mp4", HERE[1], "s3://photos/clip.mp4 is a film, which is read and written on this machine"),
        (HERE[0], "s3://photos/x.jpg", "s3://photos/x.jpg is named like a file, which only a single input file has"),
    ],
)
def test_misuse(stylize, stored, is_misuse, inputs, output, sentence):
    result = stylize("--input", inputs, *(() if output is None else ("--output", output)))
    assert is_misuse(result, sentence), result


def test_missing_credentials(stylize, stored, is_misuse, monkeypatch, tmp_path):
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"AWS_{name}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    result = stylize("--input", HERE[0], "--output", HERE[1])
    assert is_misuse(result, f"cannot list {HERE[0]}: Unable to locate credentials"), result
