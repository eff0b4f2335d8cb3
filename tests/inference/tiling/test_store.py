import pytest
import torch

from fast_style.inference.tiling.store import Photo, Result, Store, Sum, Window

CPU = torch.device("cpu")
LIKE = torch.empty(0)


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_store(dtype, in_file):
    store = Store((3, 8, 6), dtype, CPU, LIKE, in_file)
    values = torch.randn(1, 3, 8, 6)
    rounded = store.write(((0, 8), (0, 6)), values).clone()
    torch.testing.assert_close(rounded, values.to(dtype).float(), atol=0, rtol=0)
    store.release()
    part = store.read(((2, 5), (1, 6))).clone()
    torch.testing.assert_close(part, rounded[..., 2:5, 1:6], atol=0, rtol=0)
    assert part.dtype == torch.float32
    Sum(store).write(((2, 5), (1, 6)), part)
    torch.testing.assert_close(store.read(((2, 5), (1, 6))), (2 * part).to(dtype).float(), atol=0, rtol=0)
    torch.testing.assert_close(store.read(((5, 8), (0, 6))), rounded[..., 5:, :], atol=0, rtol=0)


def test_no_file_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Store((1, 64, 64), torch.float32, CPU, LIKE, in_file=True).write(((0, 64), (0, 64)), torch.ones(1, 1, 64, 64))
    assert not list(tmp_path.iterdir())


def test_no_room_for_the_file(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match=r"cannot keep 0.1 GB .* No space left on device.* TMPDIR"):
        Store((1, 5000, 5000), torch.float32, CPU, LIKE, in_file=True)


def test_window_shows_what_was_there():
    store = Store((2, 20, 3), torch.float32, CPU, LIKE)
    before = store.write(((0, 20), (0, 3)), torch.randn(1, 2, 20, 3)).clone()
    window = Window(store)
    for top in range(0, 20, 4):
        first, last = max(0, top - 3), min(20, top + 7)
        window.move((first, last))
        torch.testing.assert_close(window.read(((first, last), (0, 3))), before[:, :, first:last], atol=0, rtol=0)
        store.write(((top, top + 4), (0, 3)), torch.zeros(1, 2, 4, 3))


def test_photo_is_continued_by_replication():
    pixels = torch.randint(0, 256, (3, 5, 6), dtype=torch.uint8)
    photo = Photo(pixels, (3, 8, 8), CPU)
    whole = torch.nn.functional.pad(pixels[None] / 255, (0, 2, 0, 3), mode="replicate")
    for box in [((0, 8), (0, 8)), ((1, 4), (2, 5)), ((5, 8), (6, 8)), ((6, 7), (0, 3)), ((4, 6), (7, 8))]:
        (top, bottom), (left, right) = box
        torch.testing.assert_close(photo.read(box), whole[..., top:bottom, left:right])


def test_result_is_clamped_and_rounded_as_uint8_only():
    rgb = torch.tensor([-0.2, 0.501, 1.2]).view(1, 3, 1, 1)
    small, exact = torch.zeros(3, 2, 2, dtype=torch.uint8), torch.zeros(3, 2, 2)
    for pixels in (small, exact):
        Result(pixels, lambda x: x).write(((1, 2), (0, 1)), rgb)
    assert small[:, 1, 0].tolist() == [0, 128, 255]
    assert small.sum() == 383
    torch.testing.assert_close(exact[:, 1, 0], rgb.flatten())
