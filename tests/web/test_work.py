"""What those who listen are told about jobs."""

from types import SimpleNamespace

from fast_style.web import work
from fast_style.web.jobs import Job


def test_the_jobs_are_looked_at_once_for_all_who_listen(site, monkeypatch):
    now, looks = [5.2], []
    monkeypatch.setattr(work, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(site.jobs, "told", lambda: looks.append(now[0]) or [])
    for now[0] in (5.2, 5.9, 6.0, 6.1, 7.5):
        assert site.work._told() == '{"jobs": []}'
    assert looks == [5.2, 6.0, 7.5]


def test_a_job_that_changed_is_told_at_once(site, monkeypatch):
    monkeypatch.setattr(work, "time", SimpleNamespace(monotonic=lambda: 5.2))
    job = Job("0" * 32, "training", "mine", {"minutes": 5})
    (site.jobs.folder / job.id).mkdir(parents=True)
    before = site.work._told()
    site.jobs.add(job)
    assert '"mine"' in site.work._told() != before
    site.jobs.delete(job)
    assert site.work._told() == before
