"""What those who listen are told about jobs."""

from types import SimpleNamespace

from fast_style.web import work


def test_the_jobs_are_looked_at_once_for_all_who_listen(site, monkeypatch):
    now, looks = [5.2], []
    monkeypatch.setattr(work, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(site.jobs, "told", lambda: looks.append(now[0]) or [])
    for now[0] in (5.2, 5.9, 6.0, 6.1, 7.5):
        assert site.work._told() == '{"jobs": []}'
    assert looks == [5.2, 6.0, 7.5]
