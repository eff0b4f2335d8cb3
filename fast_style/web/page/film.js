// The section in which films are stylised.
import { dropping } from "./drop.js";
import { Look } from "./look.js";
import { bring, hush, post, small, tell } from "./server.js";
import { styleLabel, t } from "./text.js";

const by = (id) => document.getElementById(id);
const SMOOTH = 0.7; // of the picture before, where flicker is to be avoided

// Show frames in the place of those of before.
function show(frames) {
  for (const frame of by("frames").children) URL.revokeObjectURL(frame.src);
  by("frames").replaceChildren(...frames);
}

export class Film {
  constructor(info, jobs, styles) {
    this.info = info;
    this.jobs = jobs;
    this.styles = styles; // tells those there are now
    this.film = null;
    this.fields = new Look("film-");
    by("footage").addEventListener("change", (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) this.take(file);
    });
    dropping(by("film"), by("reel"), ([file]) => this.take(file));
    by("cut").addEventListener("input", () => this.fields.label());
    by("cut").addEventListener("change", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.frames().catch(tell), 500);
    });
    by("cut").addEventListener("submit", (event) => {
      event.preventDefault();
      this.make().catch(tell);
    });
    this.name();
  }

  opened() {
    this.name();
  }

  name() {
    const select = by("film-style");
    const kept = select.value;
    select.replaceChildren(...this.styles().map((style) => new Option(styleLabel(style), style.id)));
    const of = (kind) => this.styles().find((style) => style[kind])?.id;
    select.value = kept || (of("steady") ?? of("quick") ?? ""); // films have many frames
    if (select.selectedIndex < 0) select.selectedIndex = 0;
    this.fields.offer(this.styles());
    this.fields.label();
    this.tell();
  }

  tell() {
    const film = this.film;
    if (!film) return;
    const values = { ...film, seconds: film.seconds.toFixed(1), rate: Number(film.rate.toFixed(2)) };
    by("about-film").textContent = [t("about_film", values), ...film.notes].join(" ");
  }

  async take(file) {
    hush();
    by("sending").textContent = t("bringing", { name: file.name });
    try {
      this.film = await bring("films", file, this.info.film_bytes);
    } catch (error) {
      tell(error);
      return;
    } finally {
      by("sending").textContent = "";
    }
    by("film-start").value = 0;
    by("film-end").value = this.film.seconds ? this.film.seconds.toFixed(1) : "";
    by("film-start").max = by("film-end").max = Math.ceil(10 * this.film.seconds) / 10 || ""; // as it is shown
    show([]);
    by("cut").hidden = false;
    this.tell();
    this.frames().catch(tell);
  }

  range() {
    const end = Number(by("film-end").value);
    const { seconds } = this.film; // 0: unknown
    return { start: Number(by("film-start").value), end: end && (!seconds || end < seconds - 0.05) ? end : null };
  }

  look() {
    return this.fields.wish(by("film-style").value, this.film);
  }

  // Three frames of the range, which are taken once, each in the style; what is made of those of before is given up.
  async frames() {
    hush();
    this.round?.abort();
    const { signal } = (this.round = new AbortController());
    try {
      const range = JSON.stringify([this.film.id, this.range()]);
      if (range !== this.taken) {
        this.images = (await (await post(`api/films/${this.film.id}/frames`, this.range(), { signal })).json()).images;
        this.taken = range;
        show(this.images.map((image) => Object.assign(new Image(), { src: small(image.id), alt: image.name })));
      }
      for (const [number, image] of this.images.entries()) {
        const asked = { image: image.id, ...this.look(), preview: true };
        const blob = await (await post("api/stylize", asked, { signal })).blob();
        const shown = by("frames").children[number];
        URL.revokeObjectURL(shown.src);
        shown.src = URL.createObjectURL(blob);
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      this.taken = null; // perhaps they are there no longer
      throw error;
    }
  }

  async make() {
    hush();
    const smooth = by("film-smooth").checked ? SMOOTH : null;
    const asked = { film: this.film.id, ...this.look(), ...this.range(), smooth };
    const button = by("cut").querySelector("button.main");
    button.disabled = true;
    try {
      const job = await (await post("api/jobs/film", asked)).json();
      await this.jobs.look();
      this.jobs.reveal(job.id);
    } finally {
      button.disabled = false;
    }
  }
}
