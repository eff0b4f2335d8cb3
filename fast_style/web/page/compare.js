// A picture over its photo, and a slider that uncovers the photo.
import { t } from "./text.js";

export class Compare {
  constructor(place) {
    this.place = place;
    [this.before, this.after] = ["before", "after"].map((name) => {
      const image = new Image();
      image.className = name;
      place.append(image);
      return image;
    });
    place.append(document.createElement("i"));
    this.after.hidden = true;
    this.slider = document.createElement("input");
    Object.assign(this.slider, { type: "range", min: 0, max: 100, value: 0 });
    const row = document.createElement("div");
    row.className = "split";
    [this.left, this.right] = [document.createElement("span"), document.createElement("span")];
    row.append(this.right, this.slider, this.left);
    place.after(row);
    this.slider.addEventListener("input", () => this.split(this.slider.value));
    place.addEventListener("pointermove", (event) => event.buttons && this.point(event));
    place.addEventListener("pointerdown", (event) => this.point(event));
    this.name();
  }

  name() {
    this.left.textContent = t("before");
    this.right.textContent = t("after");
    this.slider.setAttribute("aria-label", t("split"));
    this.before.alt = t("photo_alt");
    this.after.alt = t("picture_alt");
  }

  point(event) {
    const edge = this.place.getBoundingClientRect();
    const part = (event.clientX - edge.left) / edge.width;
    this.split((this.slider.value = Math.round(100 * Math.min(1, Math.max(0, part)))));
    event.preventDefault();
  }

  split(part) {
    this.place.style.setProperty("--split", `${part}%`);
  }

  // What is told over the picture while it is not the final one.
  busy(text) {
    this.place.dataset.busy = text;
  }

  // How strong the picture is over the photo, 0 to 1.
  fade(strength) {
    this.after.style.opacity = strength;
  }

  show(photo, width, height) {
    this.before.src = photo;
    // So that it is as large as the picture will be, whatever the size of the file.
    this.place.style.setProperty("--width", `${Math.max(width, Math.min(320, 16 * width))}px`);
    this.place.style.setProperty("--ratio", width / height);
    this.clear();
  }

  clear() {
    this.after.hidden = true;
    URL.revokeObjectURL(this.after.src);
    this.after.removeAttribute("src");
  }

  async paint(url) {
    const next = new Image();
    next.src = url;
    await next.decode().catch(() => {});
    const old = this.after.src;
    this.after.src = url;
    this.after.hidden = false;
    if (old.startsWith("blob:") && old !== url) URL.revokeObjectURL(old);
  }
}
