// The section in which a painting is learned.
import { dropping } from "./drop.js";
import { bring, hush, post, small, tell } from "./server.js";
import { t } from "./text.js";

const by = (id) => document.getElementById(id);

export class Learn {
  constructor(info, jobs) {
    this.info = info;
    this.jobs = jobs;
    this.painting = null;
    by("board").hidden = !info.tensorboard;
    if (info.tensorboard) by("board").firstElementChild.href = info.tensorboard;
    by("original").addEventListener("change", (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) this.take(file);
    });
    dropping(by("learn"), by("easel"), ([file]) => this.take(file));
    by("edges").addEventListener("input", () => this.cut());
    by("lesson").addEventListener("submit", (event) => {
      event.preventDefault();
      this.learn().catch(tell);
    });
  }

  name() {
    by("canvas").alt = t("painting_alt");
  }

  async take(file) {
    hush();
    try {
      this.painting = await bring("images", file, this.info.image_bytes);
    } catch (error) {
      tell(error);
      return;
    }
    for (const input of by("edges").querySelectorAll("input")) input.value = 0;
    by("canvas").src = small(this.painting.id);
    by("title").value = this.painting.name.replace(/\.\w+$/, "").slice(0, 60);
    by("lesson").hidden = false;
    this.cut();
    by("title").focus();
  }

  edges() {
    const cut = Object.fromEntries([...by("edges").querySelectorAll("input")].map((input) => [input.name, input.value / 100]));
    return { left: cut.left, top: cut.top, right: 1 - cut.right, bottom: 1 - cut.bottom };
  }

  cut() {
    const { left, top, right, bottom } = this.edges();
    const inset = [top, 1 - right, 1 - bottom, left].map((part) => `${100 * part}%`).join(" ");
    by("canvas").style.clipPath = `inset(${inset})`;
  }

  async learn() {
    hush();
    const minutes = Number(new FormData(by("lesson")).get("minutes"));
    const asked = { image: this.painting.id, name: by("title").value.trim(), minutes, crop: this.edges() };
    const button = by("lesson").querySelector("button");
    button.disabled = true;
    try {
      const job = await (await post("api/jobs/training", asked)).json();
      by("lesson").hidden = true;
      await this.jobs.look();
      this.jobs.reveal(job.id);
    } finally {
      button.disabled = false;
    }
  }
}
