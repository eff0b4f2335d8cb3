// The fields that say how a picture is to look, of the section for photos and, with "film-" before, of that for films.
import { styleLabel, t } from "./text.js";

const SHOWN = { strength: (v) => `${Math.round(100 * v)} %`, mix: (v) => `${Math.round(100 * v)} %` };
SHOWN.strokes = (v) => (Number(v) ? `× ${(2 ** v).toFixed(2).replace(/\.?0+$/, "")}` : t("automatic"));

export class Look {
  constructor(prefix = "") {
    this.by = (name) => document.getElementById(prefix + name);
  }

  // Offer the styles to mix in.
  offer(styles) {
    const second = this.by("second");
    const kept = second.value;
    second.replaceChildren(new Option(t("nothing"), ""), ...styles.map((style) => new Option(styleLabel(style), style.id)));
    second.value = kept;
    if (second.selectedIndex < 0) second.value = "";
  }

  label() {
    for (const [name, shown] of Object.entries(SHOWN)) {
      const field = this.by(name);
      const output = field.labels[0].querySelector("output");
      output.textContent = shown(field.value);
      field.setAttribute("aria-valuetext", output.textContent);
    }
    this.by("mixing").hidden = !this.by("second").value;
  }

  // What is asked for, of a picture of this size.
  wish(style, { width, height }) {
    const strokes = Number(this.by("strokes").value);
    const automatic = Math.max(1, Math.max(width, height) / 1280);
    const second = this.by("second").value || null;
    return {
      style,
      strength: Number(this.by("strength").value),
      stroke_size: strokes ? Math.min(8, Math.max(0.125, automatic * 2 ** strokes)) : null,
      colours: this.by("colours").value || null,
      ...(second ? { second, mix: Number(this.by("mix").value) } : {}),
    };
  }
}
