// The styles to choose from, each with the visitor's own photo in it.
import { ask, painting, thumbnail, tell } from "./server.js";
import { styleHint, styleName } from "./text.js";

export class Gallery {
  constructor(place, chosen) {
    this.place = place;
    this.styles = [];
    this.brought = []; // paintings of this visit
    this.photo = null;
    this.round = null;
    place.addEventListener("change", (event) => chosen(event.target.value));
  }

  get value() {
    return this.place.querySelector("input:checked")?.value ?? null;
  }

  put(styles) {
    this.styles = styles;
    this.draw();
  }

  get chosen() {
    return this.all.find((style) => style.id === this.value);
  }

  get all() {
    return [...this.brought, ...this.styles];
  }

  add(image) {
    const style = { id: `painting:${image.id}`, name: image.name.replace(/\.\w+$/, ""), kind: "painting", painting: true };
    this.brought.unshift(style);
    this.draw(style.id);
    return style;
  }

  draw(choose = this.value) {
    const legend = this.place.querySelector("legend");
    const focused = document.activeElement?.name === "style";
    const known = new Map([...this.place.querySelectorAll(".tile")].map((tile) => [tile.querySelector("input").value, tile]));
    this.place.replaceChildren(legend, ...this.all.filter(({ aside }) => !aside).map((style) => this.tile(style, known.get(style.id))));
    const input = this.input(choose) ?? this.place.querySelector("input");
    if (input) input.checked = true;
    if (focused) input?.focus();
    this.paint();
  }

  input(id) {
    return [...this.place.querySelectorAll("input")].find((input) => input.value === id);
  }

  // A tile that is there keeps its picture until another comes.
  tile(style, label) {
    if (!label) {
      label = document.createElement("label");
      label.className = "tile";
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "style", value: style.id });
      const image = Object.assign(document.createElement("img"), { alt: "", width: 192, height: 144 });
      label.append(input, image, document.createElement("span"));
    }
    const name = label.lastChild;
    name.textContent = styleName(style);
    const more = document.createElement("small");
    more.textContent = styleHint(style);
    if (more.textContent) name.append(more);
    return label;
  }

  show(photo) {
    this.photo = photo;
    this.paint();
  }

  // Two at a time, so that the picture itself does not wait for all of them.
  async paint() {
    this.round?.abort();
    const round = (this.round = new AbortController());
    const tiles = [...this.place.querySelectorAll(".tile")];
    const work = async () => {
      for (let tile; (tile = tiles.shift()) && !round.signal.aborted; ) {
        await this.thumbnail(tile, round.signal).catch((error) => error.status === 401 && tell(error));
      }
    };
    await Promise.all([work(), work()]);
  }

  async thumbnail(tile, signal) {
    const id = tile.querySelector("input").value;
    const image = tile.querySelector("img");
    const shows = this.photo ?? "style";
    if (tile.dataset.shows === shows) return;
    if (!this.photo) {
      tile.dataset.shows = shows;
      const style = this.all.find((style) => style.id === id);
      if (style.picture) image.src = style.picture;
      else if (style.painting) image.src = painting(id);
      else if (style.kind === "shipped") image.src = `styles/${id.replace("/", "-")}.jpg`;
      return;
    }
    const blob = await (await ask(thumbnail(this.photo, id), { signal })).blob();
    tile.dataset.shows = shows;
    if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blob);
  }
}
