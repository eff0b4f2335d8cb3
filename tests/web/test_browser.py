"""The page in a real Chromium: what a visitor does, from dropping a photo to learning a painting."""

import io
import json
import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tests.web.conftest import WAIT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MADE = "#download:not([hidden])"


def until(page, expression: str) -> None:
    """Wait until an expression is true; Playwright's own way evaluates text, which the page forbids."""
    end = time.monotonic() + WAIT / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


def file(name: str, content: bytes, kind: str = "image/png") -> dict:
    return {"name": name, "mimeType": kind, "buffer": content}


def test_a_photo_is_stylised_and_saved(visit, server, tmp_path):
    page = visit()
    assert page.title() == "Stylise · fast_style"
    page.click("#sample")
    page.wait_for_selector(MADE)
    assert "Done: 900 × 600 pixels, JPEG" in page.inner_text("#state")
    assert page.get_attribute("#compare img.after", "src").startswith("api/results/")
    with page.expect_download() as download:
        page.click("#download")
    download.value.save_as(tmp_path / "made.jpg")
    assert download.value.suggested_filename == "example-mosaic.jpg"
    with PIL.Image.open(tmp_path / "made.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (900, 600))
    # Everything stays after a second look at another section.
    page.goto(server.url + "#learn")
    assert page.is_visible("#learn")
    assert not page.is_visible("#stylise")


def test_what_is_on_the_desk_stays_when_the_page_is_loaded_again(visit, picture):
    page = visit()
    page.set_input_files("#photos", file("a.png", picture("PNG", 300, 200)))
    page.wait_for_selector(MADE)
    page.set_input_files("#painting", file("my_wave.png", picture("PNG", 120, 90)))
    until(page, "document.querySelector('#gallery input:checked').value.startsWith('painting:')")
    page.wait_for_selector(MADE)
    chosen = page.input_value("#gallery input:checked")
    page.reload()
    page.wait_for_selector(MADE)
    assert page.input_value("#gallery input:checked") == chosen
    assert "a-my_wave" in page.get_attribute("#download", "download")


def test_the_fields_are_set_back(visit, picture):
    page = visit()
    page.set_input_files("#photos", file("a.png", picture("PNG", 300, 200)))
    page.wait_for_selector(MADE)
    page.fill("#strength", "0.5")
    page.select_option("#second", "file:pair/cubist")
    page.click("#look button[type=reset]")
    until(page, "document.querySelector('output[for=strength]').textContent == '100 %'")
    assert page.input_value("#second") == ""
    page.wait_for_selector(MADE)
    assert "cubist" not in page.get_attribute("#download", "download")


def test_a_quick_picture_while_dragging_and_the_whole_one_when_released(visit, picture):
    page = visit()
    page.set_input_files("#photos", file("a.png", picture("PNG", 300, 200)))
    page.wait_for_selector(MADE)
    asked = []
    page.on(
        "request",
        lambda request: asked.append(json.loads(request.post_data or "{}")) if "stylize" in request.url else 0,
    )
    page.evaluate("""() => {
        const slider = document.getElementById("strength");
        for (const value of [0.8, 0.6, 0.4]) {
            slider.value = value;
            slider.dispatchEvent(new Event("input", {bubbles: true}));
        }
    }""")
    until(page, "document.querySelector('#compare img.after').src.startsWith('blob:')")
    assert page.is_hidden("#download")
    page.evaluate("document.getElementById('strength').dispatchEvent(new Event('change', {bubbles: true}))")
    page.wait_for_selector(MADE)
    assert [each["strength"] for each in asked if not each.get("preview")] == [0.4]
    assert any(each.get("preview") for each in asked)
    assert page.inner_text("output[for=strength]") == "40 %"


def test_styles_are_mixed_and_colours_kept(visit, picture):
    page = visit()
    page.set_input_files("#photos", file("a.png", picture("PNG", 300, 200)))
    page.wait_for_selector(MADE)
    assert page.is_hidden("#mixing")
    with page.expect_request(lambda request: "stylize" in request.url and "preview" not in request.post_data) as made:
        page.select_option("#colours", "luminance")
        page.select_option("#second", "file:pair/mosaic")
    asked = json.loads(made.value.post_data)
    assert (asked["second"], asked["mix"], asked["colours"]) == ("file:pair/mosaic", 0.5, "luminance")
    page.wait_for_selector(MADE)
    assert page.is_visible("#mixing")


def test_several_photos_come_as_an_archive(visit, picture, tmp_path):
    page = visit()
    page.set_input_files("#photos", [file(f"{n}.png", picture("PNG", 60, 40)) for n in "abc"])
    until(page, "document.querySelectorAll('#strip button').length == 3")
    page.wait_for_selector("#all:not([hidden])")
    with page.expect_download() as download:
        page.click("#all")
    download.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert [name[0] for name in archive.namelist()] == ["a", "b", "c"]


def test_more_photos_than_an_archive_holds(visit, picture):
    """All have the look that was chosen at first; an archive that is refused is told."""
    page, png, looks, archives = visit(), picture("PNG", 60, 40), [], []
    about = {"id": "0", "name": "a.png", "width": 60, "height": 40, "format": "PNG", "notes": []}

    def stylized(route):
        asked = json.loads(route.request.post_data)
        if asked.get("preview"):
            route.fulfill(body=png, content_type="image/png")
            return
        looks.append(asked["strength"])
        if len(looks) == 10:
            page.evaluate("document.getElementById('strength').value = 0.5")
        route.fulfill(json=about)

    def zipped(route):
        archives.append(route.request.url.count("result="))
        if len(archives) < 3:
            route.fulfill(body=b"PK", content_type="application/zip")
        else:
            route.fulfill(status=507, json={"error": "no room is left"})

    page.route("**/api/images?*", lambda route: route.fulfill(status=201, json=about))
    page.route(re.compile("/(small|thumbnail)"), lambda route: route.fulfill(body=png, content_type="image/png"))
    page.route("**/api/stylize", stylized)
    page.route("**/api/zip?*", zipped)
    page.set_input_files("#photos", [file("a.png", png)] * 201)
    until(page, "document.querySelectorAll('#strip button').length == 201")
    page.wait_for_selector(MADE)
    looks.clear()
    with page.expect_download(lambda download: download.suggested_filename == "fast_style_2.zip"):
        page.click("#all")
    assert (archives, looks) == ([200, 1], [1] * 201)
    page.click("#all")
    page.wait_for_selector("#alert >> text=no room is left")
    visit.complaints.clear()


def test_thumbnails_show_the_own_photo(visit, picture):
    page = visit()
    page.set_input_files("#photos", file("a.png", picture("PNG", 60, 40)))
    until(page, "[...document.querySelectorAll('.tile img')].every(image => image.src.startsWith('blob:'))")


def test_any_painting_is_a_style(visit, picture):
    page = visit()
    page.set_input_files("#photos", file("a.png", picture("PNG", 60, 40)))
    page.wait_for_selector(MADE)
    page.set_input_files("#painting", file("My wave.png", picture("PNG", 100, 80)))
    page.wait_for_selector(".tile >> text=My wave")
    until(page, "document.getElementById('download').download.includes('my_wave')")
    page.wait_for_selector(MADE)
    assert "My wave" in page.inner_text(".tile:has(input:checked)")
    assert "my_wave" in page.get_attribute("#download", "download")


def test_with_the_keyboard_alone(visit, picture):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "sample":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector(MADE)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "style":
            break
    before = page.evaluate("document.activeElement.value")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(MADE)
    assert page.evaluate("document.activeElement.value") != before
    assert page.evaluate("document.activeElement.checked")


def test_everything_that_can_be_used_has_a_name(visit):
    page = visit()
    page.click("#sample")
    page.wait_for_selector(MADE)
    for place in ("#stylise", "#learn", "#film", "#live"):
        page.evaluate(f"location.hash = '{place}'")
        nameless = page.evaluate("""() => [...document.querySelectorAll("button, a, input, select")].filter(element => {
            const words = [element.getAttribute("aria-label"), element.textContent, element.title, element.alt];
            for (const label of element.labels ?? []) words.push(label.textContent);
            for (const image of element.querySelectorAll("img")) words.push(image.alt);
            return !words.some(word => word?.trim());
        }).map(element => element.outerHTML)""")
        assert not nameless
    assert page.evaluate("[...document.images].every(image => image.hasAttribute('alt'))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(visit, scheme):
    page = visit(color_scheme=scheme)
    page.click("#sample")
    page.wait_for_selector(MADE)
    weak = page.evaluate(CONTRAST)
    assert not weak


# Texts whose contrast with what is behind them is less than 4.5 (WCAG AA).
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = (colour) => colour.slice(0, 3).map((v) => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let place = element; place; place = place.parentElement) {
      const colour = parse(getComputedStyle(place).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest(".unseen")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) weak.push([element.textContent.trim().slice(0, 40), (a + 0.05) / (b + 0.05)]);
  }
  return weak;
}"""


@pytest.mark.parametrize("size", [(360, 740), (768, 1024), (1280, 800), (3840, 2160)])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_nothing_is_cut_off(visit, size, locale):
    page = visit(viewport={"width": size[0], "height": size[1]}, locale=locale)
    page.click("#sample")
    page.wait_for_selector(MADE)
    for place in ("#stylise", "#learn", "#film", "#live"):
        page.evaluate(f"location.hash = '{place}'")
        page.wait_for_selector(place)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_in_chinese(visit):
    page = visit(locale="zh-CN")
    assert page.title() == "风格化 · fast_style"
    assert page.get_attribute("html", "lang") == "zh-Hans"
    english = page.evaluate("""() => [...document.querySelectorAll("[data-text]")]
        .filter(element => !/[\\u4e00-\\u9fff]/.test(element.textContent)).map(element => element.textContent)""")
    assert english == []
    page.click("#language")
    assert page.title() == "Stylise · fast_style"
    page.reload()
    page.wait_for_selector(".tile")
    assert page.title() == "Stylise · fast_style"


def test_every_word_is_there_in_both_languages():
    page = Path(__file__).parents[2] / "fast_style/web/page"
    words = (page / "text.js").read_text("utf-8")
    known = set(re.findall(r"^  (\w+): \[", words, re.MULTILINE))
    used = set(re.findall(r'data-(?:text|label)="(\w+)"', (page / "index.html").read_text("utf-8")))
    for script in page.glob("*.js"):
        used |= set(re.findall(r'\bt\("(\w+)"', script.read_text("utf-8")))
        used |= set(re.findall(r'\bsay\("(\w+)"', script.read_text("utf-8")))
    assert used <= known


def test_what_is_no_photo_is_told(visit):
    page = visit()
    page.set_input_files("#photos", file("notes.txt", b"hello", "text/plain"))
    page.wait_for_selector("#alert:not([hidden])")
    assert "notes.txt: it is not a JPEG, PNG" in page.inner_text("#alert")
    page.click("#alert button")
    assert page.is_hidden("#alert")
    assert [text for text in visit.complaints if "415" not in text] == []
    visit.complaints.clear()


def test_a_server_that_is_gone_is_told(visit, server):
    page = visit()
    server.stop()
    page.click("#sample")
    page.wait_for_selector("#alert:not([hidden])")
    assert "The server does not answer" in page.inner_text("#alert")
    visit.complaints.clear()


def test_the_page_is_light(visit):
    folder = Path(__file__).parents[2] / "fast_style/web/page"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 300_000


@pytest.fixture
def school(settings, tiny, serve):
    """A server that learns tiny networks."""
    own = ("style", "hydra", "output", "overwrite", "callbacks")
    quick = [f"{key}={value}" for key, value in tiny.items() if not key.startswith(own)]
    quick += ["style.size=32", "callbacks.live.every=0.2", "trainer.max_steps=-1"]
    return serve(replace(settings, port=0, training=tuple(quick)))


def learn(page, picture, name="My wave"):
    page.set_input_files("#original", file("wave.png", picture("PNG", 160, 120)))
    page.wait_for_selector("#lesson:not([hidden])")
    page.fill("#title", name)
    page.click("#lesson button.main")
    page.wait_for_selector(f".job >> text={name}")


def test_a_painting_is_learned_watched_stopped_and_used(chromium, school, picture):
    complaints = []

    def tab():
        page = chromium.new_context(locale="en-GB").new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(school.url + "#learn")
        page.wait_for_selector(".tile", state="attached")
        return page

    first, second = tab(), tab()
    learn(first, picture)
    learn(first, picture, "Another")
    for page in (first, second):  # two tabs
        page.wait_for_selector(".job:has-text('My wave') .chart polyline")
        page.wait_for_selector(".job:has-text('Another') >> text=Waits, number 1 in the queue")
    first.reload()  # in the middle
    first.wait_for_selector(".job:has-text('My wave') >> text=At work")
    first.wait_for_selector(".job:has-text('My wave') img[src*=picture]")
    first.click(".job:has-text('Another') [data-action=stop]")
    first.click(".job:has-text('Another') [data-action=delete]")
    second.wait_for_selector(".job:has-text('Another')", state="detached")
    second.click(".job:has-text('My wave') [data-action=stop]")
    first.wait_for_selector(".job:has-text('My wave') >> text=Stopped")
    with first.expect_download() as download:
        first.click(".job >> text=Network (.safetensors)")
    assert download.value.suggested_filename == "My wave.safetensors"
    first.click(".job >> text=Use it")
    first.wait_for_selector("#stylise:not([hidden])")
    assert "My wave" in first.inner_text(".tile:has(input:checked)")
    first.click("#sample")
    first.wait_for_selector(MADE)
    assert "my_wave" in first.get_attribute("#download", "download")
    second.click(".job:has-text('My wave') [data-action=continue]")
    second.wait_for_selector(".job:has-text('My wave') >> text=At work")
    second.click(".job:has-text('My wave') [data-action=stop]")
    second.wait_for_selector(".job:has-text('My wave') >> text=Stopped")
    assert not complaints
    for page in (first, second):
        page.context.close()


def test_where_events_do_not_come_through_it_is_asked(chromium, school, picture):
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.route("**/api/jobs/events", lambda route: route.abort())
    page.goto(school.url + "#learn")
    page.wait_for_selector(".tile", state="attached")
    learn(page, picture)
    page.wait_for_selector(".job .chart polyline")
    context.close()


def test_a_part_of_a_painting_is_chosen(chromium, school, picture, monkeypatch):
    monkeypatch.setattr(school.site.jobs, "tick", lambda: None)
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(school.url + "#learn")
    page.set_input_files("#original", file("wave.png", picture("PNG", 400, 200)))
    page.wait_for_selector("#lesson:not([hidden])")
    page.click("summary")
    page.fill("[name=left]", "25")
    assert "25%" in page.evaluate("document.getElementById('canvas').style.clipPath")
    page.click("#lesson button.main")
    page.wait_for_selector(".job")
    (job,) = school.site.jobs.jobs.values()
    with PIL.Image.open(io.BytesIO((school.site.jobs.path(job) / "painting.png").read_bytes())) as painting:
        assert painting.size == (300, 200)
    context.close()


def test_a_film_is_stylised(visit, server, tmp_path):
    av = pytest.importorskip("av", reason="films need the package av")
    with av.open(str(tmp_path / "clip.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 4 * number, np.uint8))
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    page = visit("#film")
    page.set_input_files("#footage", tmp_path / "clip.mp4")
    page.wait_for_selector("#about-film >> text=clip.mp4: 96 × 64, 2.0 s, 25 frames a second.")
    until(page, "document.querySelectorAll('#frames img[src^=blob]').length == 3")
    taken = []
    page.on("request", lambda request: request.url.endswith("/frames") and taken.append(json.loads(request.post_data)))
    shown = page.get_attribute("#frames img", "src")
    page.select_option("#film-style", "file:tiny")
    until(page, f"!document.querySelector('#frames img[src=\"{shown}\"]')")
    assert not taken  # the same frames in another style
    with page.expect_request("**/frames"):
        page.fill("#film-end", "1")
        page.press("#film-end", "Tab")
    assert taken == [{"start": 0, "end": 1}]
    assert page.is_hidden("#film-mixing")
    page.select_option("#film-second", "file:pair/mosaic")
    page.fill("#film-mix", "0.25")
    page.fill("#film-strokes", "1")
    assert page.inner_text("output[for=film-strokes]") == "× 2"
    assert page.inner_text("output[for=film-mix]") == "25 %"
    with page.expect_request("**/api/jobs/film") as request:
        page.click("#cut button.main")
    asked = json.loads(request.value.post_data)
    assert [asked[name] for name in ("style", "second", "mix", "stroke_size")] == [
        "file:tiny",
        "file:pair/mosaic",
        0.25,
        2,
    ]
    page.wait_for_selector(".job:has-text('clip-') >> text=Download the film", timeout=200_000)
    until(page, "document.querySelector('.job video').videoWidth == 96")
    with page.expect_download() as download:
        page.click(".job >> text=Download the film")
    download.value.save_as(tmp_path / "made.mp4")
    with av.open(str(tmp_path / "made.mp4")) as made:
        assert len(list(made.decode(video=0))) == 25


def test_a_film_that_went_on_is_asked_for_anew(visit, server, monkeypatch):
    pytest.importorskip("av", reason="films need the package av")
    jobs = server.site.jobs
    monkeypatch.setattr(jobs, "tick", lambda: None)
    job, folder = jobs.new("film", "clip", {"command": ["--output", "film.mp4"]})
    (folder / "film.mp4").write_bytes(b"film")
    jobs.add(job)
    jobs.stop(job)
    page = visit("#film")
    part = page.wait_for_selector(".job video:not([hidden])").get_attribute("src")
    jobs.go_on(job)
    until(page, "document.querySelector('.job video').hidden")
    jobs.stop(job)
    page.wait_for_selector(f".job video:not([hidden]):not([src='{part}'])")


def test_who_is_to_wait_long_is_told_why(visit, server, picture):
    page = visit("#learn")
    full = {"status": 429, "headers": {"retry-after": "60"}, "json": {"error": "10 jobs wait already"}}
    page.route("**/api/jobs/training", lambda route: route.fulfill(**full))
    page.set_input_files("#original", file("wave.png", picture("PNG", 160, 120)))
    page.wait_for_selector("#lesson:not([hidden])")
    page.click("#lesson button.main")
    page.wait_for_selector("#alert >> text=10 jobs wait already", timeout=10_000)
    visit.complaints.clear()


def test_a_film_of_unknown_length_ends_where_it_is_told(visit):
    pytest.importorskip("av", reason="films need the package av")
    page = visit("#film")
    film = {"id": "0", "name": "a.mkv", "width": 64, "height": 48, "seconds": 0, "rate": 25, "notes": []}
    page.route("**/api/films?*", lambda route: route.fulfill(status=201, json=film))
    page.route("**/frames", lambda route: route.fulfill(status=201, json={"images": []}))
    page.set_input_files("#footage", file("a.mkv", b"film", "video/x-matroska"))
    page.wait_for_selector("#cut:not([hidden])")
    page.fill("#film-end", "1")
    page.route("**/api/jobs/film", lambda route: route.fulfill(status=201, json={"id": "0"}))
    with page.expect_request("**/api/jobs/film") as request:
        page.click("#cut button.main")
    assert json.loads(request.value.post_data)["end"] == 1


def test_only_what_has_become_of_a_job_is_read_aloud(visit, server, picture, monkeypatch):
    jobs = server.site.jobs
    monkeypatch.setattr(jobs, "tick", lambda: None)
    job, folder = jobs.new("training", "wave", {"minutes": 5})
    (folder / "painting.png").write_bytes(picture("PNG"))
    (folder / "run").mkdir()
    (folder / "run" / "live.json").write_text('{"step": 5, "progress": 0.1, "seconds_left": 60}')
    jobs.add(job)
    jobs._become(job, "running")
    page = visit("#learn")
    page.wait_for_selector(".job >> text=step 5")
    assert page.inner_text(".job [role=status]") == "At work"
    page.click("#language")
    assert page.get_attribute(".job progress", "aria-label") == "进度"
