"""What tells the version tells the same."""

import tomllib

from fast_style import __version__


def test_one_version(root):
    assert f"\nversion: {__version__}\n" in (root / "CITATION.cff").read_text("utf-8")
    assert (root / "CHANGELOG.md").read_text("utf-8").startswith(f"# Changelog\n\n## {__version__} ")
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    assert project["tool"]["hatch"]["version"]["path"] == "fast_style/version.py"
    assert "version" not in project["project"]
