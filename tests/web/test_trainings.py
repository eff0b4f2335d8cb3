"""Paintings that are learned."""

import io
import json
import os
import time
from dataclasses import replace

import PIL.Image
import pytest
import torch
from starlette.testclient import TestClient

from fast_style import images
from fast_style.training.callbacks import live
from fast_style.web import trainings
from fast_style.web.app import Site
from fast_style.web.jobs import Job
from fast_style.web.trainings import Training

HOST = "http://127.0.0.1:8000"


@pytest.fixture
def idle(site, monkeypatch):
    """A page whose jobs wait."""
    monkeypatch.setattr(site.jobs, "tick", lambda: None)
    with TestClient(site.app(), HOST) as client:
        yield client


@pytest.fixture
def painting(idle, picture) -> str:
    """A painting that was brought."""
    return idle.put("/api/images", params={"name": "Große Welle.png"}, content=picture("PNG", 300, 200)).json()["id"]


def learn(client, image, **more):
    return client.post("/api/jobs/training", json={"image": image} | more)


def test_names_are_those_of_the_callback():
    assert (trainings.NUMBERS, trainings.LIVE) == (live.NUMBERS, live.PICTURE)


def test_a_training_waits_its_turn(idle, painting):
    first, second = learn(idle, painting), learn(idle, painting, name="Monet / Paris", minutes=10)
    assert first.status_code == 201, first.text
    told = {job["id"]: job for job in idle.get("/api/jobs").json()["jobs"]}
    assert told[first.json()["id"]] == first.json()
    assert [told[each.json()["id"]]["position"] for each in (first, second)] == [1, 2]
    assert first.json()["name"] == "Große Welle"
    assert (second.json()["name"], second.json()["minutes"]) == ("Monet / Paris", 10)
    job = first.json()["id"]
    assert idle.get(f"/api/jobs/{job}").json()["state"] == "queued"
    assert PIL.Image.open(io.BytesIO(idle.get(f"/api/jobs/{job}/painting").content)).size == (300, 200)
    for path in ("picture", "files/network.safetensors", "files/network.onnx", "files/job.json", "files/..%2flock"):
        assert idle.get(f"/api/jobs/{job}/{path}").status_code == 404
    assert idle.post(f"/api/jobs/{job}/stop").json()["state"] == "stopped"
    assert idle.post(f"/api/jobs/{job}/continue").json()["state"] == "queued"
    assert idle.delete(f"/api/jobs/{job}").status_code == 204
    assert idle.get(f"/api/jobs/{job}").status_code == 404


@pytest.mark.parametrize(
    ("values", "status", "text"),
    [
        ({"image": "0" * 32}, 404, "there is no such image"),
        ({"minutes": 0}, 422, "minutes must be a number from 0.1 to 600, got 0"),
        ({"minutes": "long"}, 422, "minutes must be"),
        ({"crop": {"left": 0.9}}, 422, "a painting needs at least 64 pixels on its short side, got 30×200"),
        ({"crop": {"left": 1, "right": 0}}, 422, "got 0×200"),
        ({"crop": {"left": 2}}, 422, "left must be a number from 0 to 1"),
        ({"crop": 5}, 422, "crop must be an object"),
        ({"name": "x" * 61}, 422, "name must be a text of at most 60 letters"),
    ],
)
def test_wrong_values(idle, painting, site, values, status, text):
    answer = learn(idle, **({"image": painting} | values))
    assert (answer.status_code, text in answer.json()["error"]) == (status, True), answer.text
    assert not list(site.jobs.folder.iterdir())


def test_too_many_wait(settings, picture, monkeypatch):
    site = Site(replace(settings, jobs=1))
    monkeypatch.setattr(site.jobs, "tick", lambda: None)
    with TestClient(site.app(), HOST) as client:
        image = client.put("/api/images", content=picture(width=100, height=100)).json()["id"]
        assert learn(client, image).status_code == 201
        answer = learn(client, image)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")


def test_a_part_of_a_painting_is_learned(tmp_path):
    painting = torch.rand(3, 100, 200)
    images.write(tmp_path / "a.png", painting)
    Training.prepare(tmp_path / "a.png", {"left": 0.5, "top": 0, "right": 1, "bottom": 0.8}, tmp_path)
    part = images.to_float(images.read(tmp_path / trainings.PAINTING))
    assert (part - painting[:, :80, 100:]).abs().max() < 1 / 250


def test_a_large_painting_is_made_smaller(tmp_path):
    images.write(tmp_path / "a.png", torch.rand(3, 70, 2100))
    Training.prepare(tmp_path / "a.png", None, tmp_path)
    assert images.read_header(tmp_path / trainings.PAINTING).size == (68, trainings.MOST)


def test_paintings_are_decoded_where_photos_are(idle, painting, site):
    site.pictures.decoding.held = site.pictures.decoding.room
    answer = learn(idle, painting)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert not list(site.jobs.folder.iterdir())


def test_the_command(tmp_path):
    job = Job("0" * 32, "training", "a=b, 星夜 ${x}", {"minutes": 5})
    training = Training(("trainer.max_steps=3",))
    command = training.command(job, tmp_path)
    assert command[:3] == ["train", "style=custom", "style.name=a_b_x"]
    assert {"trainer.max_time=300", "callbacks=watched", "trainer.max_steps=3", "overwrite=true"} <= set(command)
    assert "ckpt_path=last" not in command
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "step-1.ckpt").touch()
    assert "ckpt_path=last" in training.command(job, tmp_path)
    job.name = "星夜"
    assert "style.name=painting" in training.command(job, tmp_path)


def test_only_a_network_that_was_written_at_the_end_is_the_end(tmp_path):
    job = Job("0" * 32, "training", "a", {"minutes": 5})
    numbers, network = tmp_path / trainings.RUN / trainings.NUMBERS, tmp_path / trainings.NETWORK
    numbers.parent.mkdir()
    network.write_bytes(b"when it was stopped")
    numbers.write_text('{"ended": true}')
    os.utime(network, (1, 1))
    assert not Training().is_done(job, tmp_path)
    network.write_bytes(b"")
    assert not Training().is_done(job, tmp_path)
    network.write_bytes(b"in the end")
    assert Training().is_done(job, tmp_path)
    numbers.write_text('{"ended": false}')
    assert not Training().is_done(job, tmp_path)


def test_losses_that_are_no_numbers(idle, painting, site):
    job = learn(idle, painting).json()["id"]
    run = site.jobs.folder / job / "run"
    run.mkdir()
    (run / trainings.NUMBERS).write_text('{"step": 1, "losses": {"total": [[0, 1.0], [1, NaN]]}}')
    assert idle.get("/api/jobs").json()["jobs"][0]["losses"] == {"total": [[0, 1], [1, None]]}


def settings_of(tiny) -> tuple[str, ...]:
    own = ("style", "hydra", "output", "overwrite", "callbacks")
    return tuple(f"{key}={value}" for key, value in tiny.items() if not key.startswith(own))


def wait(client, job, *states, seconds=300):
    end = time.monotonic() + seconds
    while (told := client.get(f"/api/jobs/{job}").json())["state"] not in states:
        assert time.monotonic() < end, told
        time.sleep(0.1)
    return told


@pytest.mark.slow
def test_a_painting_is_learned_stopped_gone_on_with_and_used(settings, tiny, picture):
    quick = (*settings_of(tiny), "style.size=32", "callbacks.live.every=0.1", "trainer.max_steps=-1")
    site = Site(replace(settings, training=quick))
    with TestClient(site.app(), HOST) as client:
        image = client.put("/api/images", content=picture("PNG", 100, 100)).json()["id"]
        job = learn(client, image, name="My wave", minutes=10).json()["id"]
        while not (told := wait(client, job, "running"))["picture"] or told["step"] < 5:
            time.sleep(0.1)
        assert client.get(f"/api/jobs/{job}/picture").headers["content-type"] == "image/jpeg"
        assert told["seconds_left"] > 500
        assert {"total", "content", "style"} <= told["losses"].keys()
        client.post(f"/api/jobs/{job}/stop")
        told = wait(client, job, "stopped")
        assert (told["message"], told["files"]) == ("", ["network.safetensors", "network.png", "network.onnx"])
        step = told["step"]
    # Another server: everything is still there, and goes on where it was.
    site = Site(replace(settings, training=(*quick[:-1], f"trainer.max_steps={step + 40}")))
    with TestClient(site.app(), HOST) as client:
        assert client.get(f"/api/jobs/{job}").json() == told
        client.post(f"/api/jobs/{job}/continue")
        told = wait(client, job, "done", "stopped")
        assert told["state"] == "done", told
        assert (told["step"], told["progress"]) == (step + 40, 1)
        assert told["losses"]["total"][0][0] < step
        styles = client.get("/api/styles").json()["styles"]
        told = {"id": f"job:{job}", "name": "My wave", "kind": "own", "painting": True}
        assert told | {"quick": False, "steady": False, "live": True, "aside": False} == styles[0]
        made = client.post("/api/stylize", json={"image": image, "style": f"job:{job}"})
        assert "photo-my_wave.png" in made.headers["content-disposition"]
        network = client.get(f"/api/jobs/{job}/files/network.safetensors")
        assert "My%20wave.safetensors" in network.headers["content-disposition"]
        assert json.loads(network.content[8 : 8 + int.from_bytes(network.content[:8], "little")])["__metadata__"]
        assert client.get(f"/api/jobs/{job}/files/network.png").headers["content-type"] == "image/png"
        assert client.delete(f"/api/jobs/{job}").status_code == 204
        assert not (site.jobs.folder / job).exists()


@pytest.mark.slow
def test_a_learned_network_is_exported(idle, site, painting, networks):
    pytest.importorskip("onnxscript")
    job = learn(idle, painting).json()["id"]
    (site.jobs.folder / job / "network.safetensors").write_bytes((networks / "tiny.safetensors").read_bytes())
    answer = idle.get(f"/api/jobs/{job}/files/network.onnx")
    assert answer.status_code == 200, answer.text
    assert b"fast_style/onnx/1" in answer.content
    (site.jobs.folder / job / "network.safetensors").write_bytes(b"nothing")
    answer = idle.get(f"/api/jobs/{job}/files/network.onnx")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("the network cannot be exported: network.safetensors")
