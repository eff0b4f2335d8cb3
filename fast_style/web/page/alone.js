// The section in which photos are stylised where there is no server: on this device.
import { Compare } from "./compare.js";
import { fileName, save } from "./device.js";
import { dropping } from "./drop.js";
import { Gallery } from "./gallery.js";
import { ask, hush, tell } from "./server.js";
import { t } from "./text.js";

const by = (id) => document.getElementById(id);
const SIDE = 1280; // pixels on the long side at which photos are painted, for strokes as in training
const LEAST = 320; // where there is no memory for that
const MOST = 16e6; // pixels of a picture: browsers of phones hold no larger ones

export class Alone {
  constructor(info, device) {
    this.styles = info.styles;
    this.device = device;
    this.photo = null; // {name, kind, image, width, height, url}
    this.turn = 0; // counts what was asked for
    this.compare = new Compare(by("compare"));
    this.gallery = new Gallery(by("gallery"), () => this.changed());
    for (const id of ["photos", "snap"])
      by(id).addEventListener("change", ({ target }) => {
        const [file] = target.files;
        target.value = "";
        if (file) this.add(file);
      });
    by("photos").multiple = false;
    by("camera").hidden = !matchMedia("(pointer: coarse)").matches;
    by("sample").addEventListener("click", () => this.sample().catch(tell));
    dropping(by("stylise"), by("drop"), ([file]) => this.add(file));
    document.addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
      if (file && !by("stylise").hidden) this.add(file);
    });
    by("look").addEventListener("input", () => this.label());
    by("look").addEventListener("submit", (event) => event.preventDefault());
    by("download").addEventListener("click", (event) => {
      event.preventDefault();
      this.save().catch(tell);
    });
  }

  start() {
    this.gallery.put(this.styles);
    by("styles").hidden = false;
    this.name();
  }

  name() {
    this.compare.name();
    this.gallery.draw();
    this.label();
    if (this.device.lack) tell(new Error(this.device.lack));
  }

  label() {
    const field = by("strength");
    const output = by("look").querySelector("output");
    output.textContent = `${Math.round(100 * field.value)} %`;
    field.setAttribute("aria-valuetext", output.textContent);
    this.compare.fade(field.value);
  }

  async sample() {
    const blob = await (await ask("sample.jpg")).blob();
    await this.add(new File([blob], "example.jpg", { type: blob.type }));
  }

  async add(file) {
    hush();
    let image;
    try {
      image = await createImageBitmap(file);
    } catch {
      return tell(new Error(t("photo_unreadable", { name: file.name })));
    }
    const scale = Math.min(1, Math.sqrt(MOST / (image.width * image.height)));
    const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(scale * side)));
    if (this.photo) {
      this.photo.image.close();
      URL.revokeObjectURL(this.photo.url);
    }
    this.photo = { name: file.name, kind: file.type, image, width, height, smaller: scale < 1, url: URL.createObjectURL(file) };
    for (const part of ["stage", "look"]) by(part).hidden = false;
    by("desk").classList.add("open");
    by("drop").classList.add("small");
    this.compare.show(this.photo.url, width, height);
    this.changed();
  }

  // The latest that is asked for is painted once what is at work is done.
  async changed() {
    this.turn += 1;
    by("download").hidden = true;
    if (!this.photo || this.device.lack || this.working) return;
    this.working = true;
    try {
      for (let turn = 0; turn !== this.turn; ) {
        turn = this.turn;
        await this.paint(turn);
      }
    } catch (error) {
      this.say("");
      tell(error);
    } finally {
      this.working = false;
    }
  }

  async paint(turn) {
    const { photo } = this;
    const style = this.gallery.chosen;
    if (this.device.style !== style.id) this.say("loading");
    await this.device.use(style);
    if (turn !== this.turn) return;
    this.say("working");
    const canvas = await this.whole(photo, style);
    if (turn !== this.turn) return;
    this.made = { photo, style, canvas };
    const shown = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
    await this.compare.paint(URL.createObjectURL(shown));
    this.say("made", { width: photo.width, height: photo.height, format: this.kind(photo) === "image/jpeg" ? "JPEG" : "PNG" });
    by("download").hidden = false;
    by("download").href = "#stylise";
    const notes = photo.smaller ? [Object.assign(document.createElement("li"), { textContent: t("made_smaller") })] : [];
    by("notes").replaceChildren(...notes);
  }

  // The picture on a canvas; painted smaller, with larger strokes, where memory does not suffice.
  async whole({ image, width, height }, style) {
    for (let side = SIDE; ; side *= 0.7) {
      await this.device.use(style);
      try {
        const bitmap = await this.device.paint(await createImageBitmap(image), { width, height, side });
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        canvas.getContext("2d").drawImage(bitmap, 0, 0);
        bitmap.close();
        return canvas;
      } catch (error) {
        this.device.end(error); // a network that ran out of memory is of no more use
        if (side * 0.7 < LEAST) throw error;
      }
    }
  }

  kind({ kind }) {
    return kind === "image/jpeg" ? kind : "image/png";
  }

  // The photo, and as much of the picture over it as was chosen.
  async save() {
    const { photo, style, canvas } = this.made;
    const { width, height } = photo;
    const whole = Object.assign(document.createElement("canvas"), { width, height });
    const pen = whole.getContext("2d");
    pen.fillStyle = "#fff"; // behind what is transparent
    pen.fillRect(0, 0, width, height);
    pen.drawImage(photo.image, 0, 0, width, height);
    const made = pen.getImageData(0, 0, width, height);
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const strength = Number(by("strength").value);
    for (let i = 0; i < data.length; i++) made.data[i] += strength * (data[i] - made.data[i]);
    pen.putImageData(made, 0, 0);
    const kind = this.kind(photo);
    const name = `${photo.name.replace(/\.\w+$/, "")}-${fileName(style)}.${kind === "image/jpeg" ? "jpg" : "png"}`;
    save(await new Promise((done) => whole.toBlob(done, kind, 0.95)), name);
  }

  say(key, values) {
    by("state").textContent = key ? t(key, values) : "";
  }
}
