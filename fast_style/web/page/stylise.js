// The section in which photos are stylised.
import { Compare } from "./compare.js";
import { save } from "./device.js";
import { dropping } from "./drop.js";
import { Gallery } from "./gallery.js";
import { Look } from "./look.js";
import { ask, bring, get, hush, post, small, tell } from "./server.js";
import { t } from "./text.js";

const by = (id) => document.getElementById(id);
const MOST = 200; // pictures in an archive, as the server writes them

export class Stylise {
  constructor(info) {
    this.info = info;
    this.photos = []; // {id, name, width, height, result}
    this.current = null;
    this.compare = new Compare(by("compare"));
    this.fields = new Look();
    this.gallery = new Gallery(by("gallery"), () => this.changed(true));
    this.side = 384; // of a preview, in pixels
    this.turn = 0; // counts what was asked for
    this.shown = 0; // the last of these whose whole picture is shown
    this.said = [""];
    this.listen();
  }

  listen() {
    by("photos").addEventListener("change", (event) => this.take(event.target));
    by("snap").addEventListener("change", (event) => this.take(event.target));
    by("sample").addEventListener("click", () => this.sample().catch(tell));
    by("painting").addEventListener("change", (event) => this.painting(event.target));
    by("look").addEventListener("input", () => this.changed(false));
    by("look").addEventListener("change", () => this.changed(true));
    by("look").addEventListener("submit", (event) => event.preventDefault());
    by("look").addEventListener("reset", () => setTimeout(() => this.changed(true)));
    by("all").addEventListener("click", () => this.everything().catch(tell));
    by("camera").hidden = !matchMedia("(pointer: coarse)").matches;
    dropping(by("stylise"), by("drop"), (files) => this.add(files));
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
      if (files.length && !by("stylise").hidden) this.add(files);
    });
  }

  async load() {
    this.gallery.put((await get("api/styles")).styles);
  }

  async start() {
    await this.load();
    by("styles").hidden = false;
    this.name();
    await this.restore();
  }

  // A style was learned or removed.
  async refresh() {
    const before = this.gallery.value;
    await this.load();
    this.name();
    if (this.gallery.value !== before) this.changed(true);
  }

  use(style) {
    this.gallery.draw(style);
    this.changed(true);
  }

  // Write everything in the language that was chosen.
  name() {
    this.compare.name();
    this.gallery.draw();
    this.say(...this.said);
    this.fields.offer(this.gallery.all.filter(({ aside }) => !aside));
    this.label();
  }

  label() {
    this.fields.label();
    by("all").hidden = this.photos.length < 2;
    by("all").textContent = t("all_photos", { count: this.photos.length });
  }

  take(input) {
    const files = [...input.files];
    input.value = "";
    this.add(files);
  }

  async sample() {
    const blob = await (await ask("sample.jpg")).blob();
    await this.add([new File([blob], "example.jpg", { type: blob.type })]);
  }

  async add(files) {
    hush();
    for (const file of files) {
      this.say("bringing", { name: file.name });
      try {
        const photo = await bring("images", file, this.info.image_bytes);
        this.photos.push(photo);
        if (file === files[0] || !this.current) this.open(photo);
        this.strip();
      } catch (error) {
        this.say("");
        tell(error);
      }
    }
    this.label();
  }

  strip() {
    const buttons = this.photos.map((photo) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "plain", title: photo.name });
      button.setAttribute("aria-pressed", photo === this.current);
      button.append(Object.assign(new Image(), { src: small(photo.id), alt: photo.name }));
      button.addEventListener("click", () => this.open(photo));
      return button;
    });
    by("strip").replaceChildren(...buttons);
    by("strip").hidden = buttons.length < 2;
  }

  open(photo) {
    this.current = photo;
    for (const part of ["stage", "look"]) by(part).hidden = false;
    by("desk").classList.add("open");
    by("drop").classList.add("small");
    this.compare.show(small(photo.id), photo.width, photo.height);
    this.strip();
    this.gallery.show(photo.id);
    this.changed(true);
  }

  async painting(input) {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    hush();
    try {
      this.gallery.add(await bring("images", file, this.info.image_bytes));
      by("look").reset(); // what was tried with another style
      this.name();
      this.changed(true);
    } catch (error) {
      tell(error);
    }
  }

  look(photo) {
    return { image: photo.id, ...this.fields.wish(this.gallery.value, photo) };
  }

  // A quick picture at once, the latest that is asked for; the whole one once nothing moves.
  changed(settled) {
    this.label();
    if (!this.current || !this.gallery.value) return;
    this.turn += 1;
    this.remember();
    by("download").style.visibility = "hidden"; // it keeps its place
    this.compare.busy(t("quick_look"));
    by("notes").replaceChildren();
    this.whole?.abort();
    clearTimeout(this.timer);
    this.wanted = true;
    this.preview();
    if (settled) this.timer = setTimeout(() => this.make(), 250);
  }

  async preview() {
    if (this.previewing) return;
    this.previewing = true;
    while (this.wanted) {
      this.wanted = false;
      const [photo, turn] = [this.current, this.turn];
      this.say("working");
      try {
        const began = performance.now();
        const blob = await (await post("api/stylize", { ...this.look(photo), preview: true, side: this.side })).blob();
        this.pace(performance.now() - began);
        if (photo === this.current && this.shown < turn) await this.compare.paint(URL.createObjectURL(blob));
      } catch (error) {
        this.say("");
        tell(error);
      }
    }
    this.previewing = false;
  }

  // As large as this machine makes in about half a second.
  pace(milliseconds) {
    const factor = Math.min(1.5, Math.max(0.6, Math.sqrt(500 / milliseconds)));
    this.side = Math.round(Math.min(768, Math.max(192, this.side * factor)));
  }

  async make() {
    const [photo, turn] = [this.current, this.turn];
    const whole = (this.whole = new AbortController());
    try {
      const result = await this.picture(this.look(photo), whole.signal);
      if (turn !== this.turn) return;
      this.shown = turn;
      await this.compare.paint(`api/results/${result.id}/small`);
      this.done(result);
    } catch (error) {
      if (error.name !== "AbortError") {
        this.say("");
        this.compare.busy("");
      }
      tell(error);
    }
  }

  async picture(look, signal) {
    const answer = await post("api/stylize", look, { signal, headers: { accept: "application/json" } });
    return answer.json();
  }

  done(result) {
    this.say("made", { width: result.width, height: result.height, format: result.format });
    const download = by("download");
    Object.assign(download, { href: `api/results/${result.id}`, download: result.name, hidden: false });
    download.style.visibility = "";
    this.compare.busy("");
    const notes = result.notes.map((note) => Object.assign(document.createElement("li"), { textContent: note }));
    by("notes").replaceChildren(...notes);
  }

  // All photos in the look that is chosen by now, in as many archives as they need.
  async everything() {
    hush();
    by("all").disabled = true;
    const looks = this.photos.map((photo) => this.look(photo));
    const made = [];
    try {
      for (const look of looks) {
        this.say("making", { number: made.length + 1, count: looks.length });
        made.push((await this.picture(look)).id);
      }
      for (let first = 0; first < made.length; first += MOST) {
        const results = made.slice(first, first + MOST).map((id) => `result=${id}`);
        const archive = await ask(`api/zip?${results.join("&")}`);
        save(await archive.blob(), `fast_style${first ? `_${1 + first / MOST}` : ""}.zip`);
      }
      this.say("all_made", { count: made.length });
    } catch (error) {
      this.say("");
      throw error;
    } finally {
      by("all").disabled = false;
    }
  }

  // What is on the desk stays there when the page is loaded again, as long as the server keeps it.
  remember() {
    const paintings = this.gallery.brought.map((style) => style.id.replace("painting:", ""));
    const kept = { photos: this.photos.map((photo) => photo.id), current: this.current?.id, paintings, style: this.gallery.value };
    sessionStorage.setItem("desk", JSON.stringify(kept));
  }

  async restore() {
    const kept = JSON.parse(sessionStorage.getItem("desk") ?? "null");
    if (!kept) return;
    const known = async (ids) => (await Promise.allSettled(ids.map((id) => get(`api/images/${id}`)))).flatMap((each) => each.value ?? []);
    const [photos, paintings] = [await known(kept.photos), await known(kept.paintings)];
    for (const image of paintings.reverse()) this.gallery.add(image);
    this.gallery.draw(kept.style);
    this.photos = [...photos, ...this.photos];
    this.name();
    if (photos.length && !this.current) this.open(photos.find((photo) => photo.id === kept.current) ?? photos[0]);
  }

  say(key, values) {
    this.said = [key, values];
    by("state").textContent = key ? t(key, values) : "";
  }
}
