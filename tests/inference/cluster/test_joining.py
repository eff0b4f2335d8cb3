"""How a cluster is found and shared out."""

import os
import socket
import sys
from types import SimpleNamespace

import pytest

from fast_style.inference.cluster import Cluster, joined, joining


class RayError(Exception):
    pass


EXCEPTIONS = SimpleNamespace(RayError=RayError)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """What is set for Ray does not outlive the test."""
    monkeypatch.setattr(os, "environ", {name: text for name, text in os.environ.items() if "RAY" not in name})


def test_ray_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ValueError, match=r"engine ray is not installed: pip install 'fast-style\[ray\]'"),
        joined(None, 1, "cpu"),
    ):
        pass


@pytest.mark.parametrize(
    ("machines", "workers", "device", "expected"),
    [
        ([{"CPU": 2.0}], None, "auto", Cluster(1, 2, 0)),
        ([{"CPU": 2.0}], 2, "auto", Cluster(2, 1, 0)),
        ([{"CPU": 8.0}, {"CPU": 16.0}], None, "auto", Cluster(6, 4, 0)),
        ([{"CPU": 4.0}, {"CPU": 4.0}, {"CPU": 4.0}], 2, "auto", Cluster(2, 4, 0)),
        ([{"CPU": 16.0, "GPU": 4.0}, {}], None, "auto", Cluster(4, 4, 1)),
        ([{"CPU": 16.0, "GPU": 4.0}], None, "cpu", Cluster(4, 4, 0)),
        ([{"CPU": 16.0, "GPU": 4.0}], 8, "auto", Cluster(8, 2, 0)),
    ],
)
def test_cores_and_gpus_are_shared_out(machines, workers, device, expected):
    nodes = [{"Alive": True, "Resources": machine} for machine in machines] + [
        {"Alive": False, "Resources": {"CPU": 9}}
    ]
    assert joining._shared_out(SimpleNamespace(nodes=lambda: nodes), workers, device) == expected


@pytest.mark.parametrize("machines", [[], [{"CPU": 0.0}, {"GPU": 1.0}]])
def test_no_machine_has_a_cpu_yet(machines):
    nodes = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": machine} for machine in machines])
    with pytest.raises(ConnectionError, match="no machine of the Ray cluster has a CPU for workers"):
        joining._shared_out(nodes, 2, "cuda")


def test_gpus_that_are_not_there():
    nodes = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0}}])
    with pytest.raises(ValueError, match="2 workers need as many GPUs, the cluster has 1"):
        joining._shared_out(nodes, 2, "cuda")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("nonsense", "no Ray cluster is at nonsense: an address is auto or HOST:PORT"),
        ("127.0.0.1:1", "no Ray cluster is at 127.0.0.1:1: .*refused"),
        ("ray://127.0.0.1:1", "no Ray cluster is at ray://127.0.0.1:1: .*refused"),
        ("auto", "no Ray cluster is on this machine: ray start --head, or give HOST:PORT"),
    ],
)
def test_no_cluster(monkeypatch, address, sentence):
    def refuse(**_):
        raise ConnectionError("Could not find any running Ray instance")

    monkeypatch.setattr(joining, "import_ray", lambda: SimpleNamespace(init=refuse, exceptions=EXCEPTIONS))
    with pytest.raises(ConnectionError, match=sentence), joined(address, None, "auto"):
        pass


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:{}"])
@pytest.mark.parametrize("told", ["raised", "written"])
def test_a_cluster_that_asks_for_a_token(monkeypatch, capfd, address, told):
    """Ray raises that there is none, or writes, once a second, that it is wrong."""

    def refuse(**_):
        if told == "raised":
            raise RayError("Token authentication is enabled but no authentication token was found.")
        os.write(2, b"RPC error: InvalidAuthToken: Authentication token is missing or incorrect\n")
        raise ConnectionError("Failed to connect to Ray cluster")

    monkeypatch.setattr(joining, "import_ray", lambda: SimpleNamespace(init=refuse, exceptions=EXCEPTIONS))
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = address.format(server.getsockname()[1])
        with (
            pytest.raises(ConnectionError, match=f"the Ray cluster at {there} asks for its token: set RAY_AUTH_MODE"),
            joined(there, None, "auto"),
        ):
            pass
    assert capfd.readouterr().err == ""


def test_no_workers():
    with pytest.raises(ValueError, match="--workers must be at least 1, got 0"), joined(None, 0, "auto"):
        pass


def test_a_cluster_of_this_machine_alone(monkeypatch):
    settings = {}
    ray = SimpleNamespace(
        init=lambda **given: settings.update(given), shutdown=lambda: None, nodes=lambda: [node({"CPU": 2.0})]
    )
    monkeypatch.setattr(joining, "import_ray", lambda: ray)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    os.environ["RAY_ADDRESS"] = "127.0.0.1:1"
    with joined(None, None, "auto") as cluster:
        assert cluster == Cluster(1, 2, 0)
    assert settings["address"] == "local"
    assert settings["include_dashboard"] is False
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64


def node(resources: dict[str, float]) -> dict[str, object]:
    return {"Alive": True, "Resources": resources}
