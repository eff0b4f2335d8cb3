"""ONNX Runtime for browsers, as npm installs it: which of its files the page loads, and by what names."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# By the names that the page knows; scripts are .js, since some web servers do not know what .mjs is.
NEEDED = {
    "wasm.js": "ort.wasm.min.mjs",
    "wasm-core.js": "ort-wasm-simd-threaded.mjs",
    "wasm-core.wasm": "ort-wasm-simd-threaded.wasm",
}
WEBGPU = {
    "webgpu.js": "ort.webgpu.min.mjs",
    "webgpu-core.js": "ort-wasm-simd-threaded.asyncify.mjs",
    "webgpu-core.wasm": "ort-wasm-simd-threaded.asyncify.wasm",
}
PLACES = ("dist", "", "onnxruntime-web/dist", "node_modules/onnxruntime-web/dist")
MEDIA = {".mjs": "text/javascript", ".wasm": "application/wasm"}


@dataclass(frozen=True)
class Runtime:
    """Files of onnxruntime-web.

    Attributes:
        files: by the names that the page knows.
        version: as npm tells it; None: it is not known.
        webgpu: whether those that use a graphics processor are among them.
    """

    files: Mapping[str, Path]
    version: str | None
    webgpu: bool

    def told(self) -> dict[str, Any]:
        """Tell the page of it."""
        return {"version": self.version, "webgpu": self.webgpu}


def find_runtime(folder: Path) -> Runtime:
    """Find the files of onnxruntime-web.

    Args:
        folder: that of the npm package, its `dist`, `node_modules`, or the folder in which npm installed it.

    Raises:
        FileNotFoundError: if they are not there.
    """
    for place in (folder / name for name in PLACES):
        if all((place / name).is_file() for name in NEEDED.values()):
            webgpu = all((place / name).is_file() for name in WEBGPU.values())
            names = NEEDED | (WEBGPU if webgpu else {})
            files = {name: place / source for name, source in names.items()}
            return Runtime(files, _version(place.parent / "package.json"), webgpu)
    raise FileNotFoundError(
        f"there is no onnxruntime-web in {folder}: install it with npm install onnxruntime-web, and give the folder "
        "node_modules/onnxruntime-web"
    )


def _version(path: Path) -> str | None:
    with suppress(OSError, ValueError):
        package = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(package, dict) and isinstance(package.get("version"), str):
            return package["version"]
    return None
