// The section in which a camera, a photo or a film is stylised on this device, picture after picture.
import { fileName, save } from "./device.js";
import { dropping } from "./drop.js";
import { hush, tell } from "./server.js";
import { styleLabel, t } from "./text.js";

const by = (id) => document.getElementById(id);
const AIM = 100; // milliseconds a picture, where the size is chosen by itself
const SIDES = [160, 640]; // pixels on the long side that it chooses between
const SETTLED = 4; // pictures at one size before it chooses another
const LONGEST = 600; // seconds of a recording
const FILMS = ["video/mp4;codecs=avc1", "video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];
const RUNS = { camera: "live_camera_on", film: "live_film", photo: "live_photo" };
const REASONS = { NotAllowedError: "camera_denied", NotFoundError: "camera_none", NotReadableError: "camera_taken" };

export class Live {
  constructor(device, styles) {
    this.device = device;
    this.styles = () => styles().filter((style) => style.live);
    this.source = null; // {kind: camera, film or photo, image, width, height, stop}
    this.side = 256; // of what is painted, in pixels
    this.pen = by("live-picture").getContext("2d");
    this.kind = FILMS.find((kind) => window.MediaRecorder?.isTypeSupported(kind));
    by("live-start").addEventListener("click", () => this.camera());
    by("live-camera").addEventListener("change", () => this.camera(by("live-camera").value));
    by("live-file").addEventListener("change", (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) this.take(file);
    });
    dropping(by("live"), by("live-begin"), ([file]) => this.take(file));
    by("live-look").addEventListener("input", () => this.changed());
    by("live-look").addEventListener("submit", (event) => event.preventDefault());
    by("live-snap").addEventListener("click", () => this.snap());
    by("live-record").addEventListener("click", () => (this.recorder ? this.rest() : this.record()));
    by("live-stop").addEventListener("click", () => {
      this.end();
      by("live-start").focus();
    });
    this.name();
  }

  opened() {
    this.name();
  }

  // Another section is looked at: the camera is not left on.
  closed() {
    this.end();
  }

  name() {
    const select = by("live-style");
    const kept = select.value;
    select.replaceChildren(...this.styles().map((style) => new Option(styleLabel(style), style.id)));
    select.value = kept || this.styles().find((style) => style.steady)?.id;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
    const lack = this.device.lack ?? (select.options.length ? null : t("live_none"));
    by("live-lack").textContent = lack ?? "";
    by("live-lack").hidden = !lack;
    by("live-begin").hidden = Boolean(lack);
    by("live-picture").setAttribute("aria-label", t("live_alt"));
    by("live-record").textContent = t(this.recorder ? "record_end" : "record");
    this.label();
  }

  label() {
    const field = by("live-strength");
    const output = by("live-look").querySelector("output");
    output.textContent = `${Math.round(100 * field.value)} %`;
    field.setAttribute("aria-valuetext", output.textContent);
  }

  say(key, values) {
    by("live-state").textContent = key ? t(key, values) : "";
  }

  async camera(id) {
    this.end();
    const turn = this.turn;
    by("live-reason").textContent = "";
    this.say("camera_wait");
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "InsecureError");
      const wanted = id ? { deviceId: { exact: id } } : { facingMode: "user" };
      const video = { ...wanted, width: { ideal: 640 }, height: { ideal: 480 } };
      const stream = await navigator.mediaDevices.getUserMedia({ video });
      const stop = () => stream.getTracks().forEach((track) => track.stop());
      if (turn !== this.turn) return stop(); // left meanwhile
      const [track] = stream.getVideoTracks();
      track.addEventListener("ended", () => turn === this.turn && this.lose("camera_gone"));
      by("live-mirror").checked = track.getSettings().facingMode !== "environment";
      await this.play("camera", { srcObject: stream }, stop);
      if (turn === this.turn) await this.list(track.getSettings().deviceId);
    } catch (error) {
      if (turn === this.turn) this.lose(REASONS[error.name] ?? (error.name === "InsecureError" ? "camera_insecure" : "camera_fails"));
    }
  }

  // Why there is no picture, beside what can be brought instead.
  lose(key, values) {
    this.end();
    by("live-reason").textContent = t(key, values);
  }

  // Cameras to choose from; their names are known once one was allowed.
  async list(current) {
    const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    const options = cameras.map(({ deviceId, label }, number) => new Option(label || `${number + 1}`, deviceId));
    by("live-camera").replaceChildren(...options);
    by("live-camera").value = current;
    by("live-cameras").hidden = cameras.length < 2;
  }

  async take(file) {
    if (this.device.lack) return;
    this.end();
    const turn = this.turn;
    by("live-reason").textContent = "";
    by("live-mirror").checked = false;
    by("live-cameras").hidden = true;
    try {
      if (file.type.startsWith("image/")) {
        const image = await createImageBitmap(file);
        if (turn === this.turn) this.begin({ kind: "photo", image, width: image.width, height: image.height, stop: () => image.close() });
      } else {
        const src = URL.createObjectURL(file);
        await this.play("film", { src, loop: true }, () => URL.revokeObjectURL(src));
      }
    } catch {
      if (turn === this.turn) this.lose("live_unreadable", { name: file.name });
    }
  }

  // Frames come from a video that nobody sees.
  async play(kind, from, stop) {
    const turn = this.turn;
    const image = Object.assign(document.createElement("video"), { muted: true, playsInline: true, className: "unseen", ...from });
    image.setAttribute("aria-hidden", "true");
    by("live").append(image);
    const end = () => {
      image.remove();
      image.pause();
      image.removeAttribute("src");
      image.srcObject = null;
      stop();
    };
    try {
      await image.play();
      if (!image.videoWidth) throw new Error("no picture");
    } catch (error) {
      end();
      throw error;
    }
    if (turn !== this.turn) return end();
    this.begin({ kind, image, width: image.videoWidth, height: image.videoHeight, stop: end });
  }

  begin(source) {
    hush();
    this.source = source;
    this.count = 0;
    by("live-begin").hidden = true;
    by("live-desk").hidden = false;
    by("live-record").hidden = !this.kind || source.kind === "photo";
    this.work(source).catch((error) => {
      if (source !== this.source) return;
      this.end();
      this.device.end(error); // the next time it begins anew
      tell(error);
    });
    by("live-stop").focus({ preventScroll: true });
  }

  end() {
    this.turn = (this.turn ?? 0) + 1;
    this.rest();
    this.source?.stop();
    this.source = null;
    this.wake?.();
    by("live-desk").hidden = true;
    by("live-begin").hidden = Boolean(this.device.lack);
    by("live-pace").textContent = "";
    this.say("");
  }

  changed() {
    this.label();
    if (by("live-size").value) this.side = Number(by("live-size").value);
    this.wake?.();
  }

  // One frame after the other: those that come meanwhile are never looked at.
  async work(source) {
    let [style, shown, since] = [null, 0, performance.now()];
    while (source === this.source) {
      const wanted = this.styles().find(({ id }) => id === by("live-style").value);
      if (!wanted) throw new Error(t("live_none"));
      if (style !== wanted.id || this.device.style !== wanted.id) {
        this.say("loading");
        await this.device.use(wanted);
        style = wanted.id;
        [this.count, shown, since] = [0, 0, performance.now()];
        this.say(RUNS[source.kind]);
        continue;
      }
      const [width, height] = this.size(source);
      const began = performance.now();
      const frame = await createImageBitmap(source.image);
      const strength = Number(by("live-strength").value);
      const next = this.next(source); // which may come while this one is painted
      const bitmap = await this.device.paint(frame, { width, height, strength });
      if (source !== this.source) return bitmap.close();
      this.show(bitmap);
      const now = performance.now();
      if (source.kind !== "photo") this.pace(now - began);
      shown += 1;
      if (now - since > 1000 || source.kind === "photo") {
        const rate = (1000 * shown) / (now - since);
        [shown, since] = [0, now];
        const told = { rate: rate.toFixed(rate < 10 ? 1 : 0), width, height, engine: this.device.engine };
        by("live-pace").textContent = t(source.kind === "photo" ? "live_still" : "live_pace", told);
      }
      await next;
    }
  }

  // The size of what is painted: even, as films are.
  size({ kind, width, height }) {
    const { pen, recorder } = this;
    if (recorder) return [pen.canvas.width, pen.canvas.height];
    const longest = kind === "photo" && !by("live-size").value ? SIDES[1] : this.side; // a photo has time
    const scale = Math.min(1, longest / Math.max(width, height));
    return [width, height].map((side) => Math.max(2, 2 * Math.round((scale * side) / 2)));
  }

  // As large as this device makes in about AIM; the first pictures at a size take longer.
  pace(took) {
    this.count += 1;
    if (by("live-size").value || this.recorder || this.count < SETTLED) return;
    this.took = this.count === SETTLED ? took : Math.min(this.took, took);
    if (this.count < 2 * SETTLED) return;
    const side = Math.min(SIDES[1], Math.max(SIDES[0], this.side * Math.sqrt(AIM / this.took)));
    this.count = SETTLED - 1;
    if (Math.abs(side / this.side - 1) < 0.15) return;
    this.side = 32 * Math.round(side / 32);
    this.count = 0;
  }

  // Wait for the next frame; of a photo, for something to change.
  next({ kind, image }) {
    return new Promise((done) => {
      this.wake = done;
      if (kind === "photo") return;
      if (image.requestVideoFrameCallback) image.requestVideoFrameCallback(done);
      else requestAnimationFrame(done);
    });
  }

  show(bitmap) {
    const { width, height } = bitmap;
    const { pen } = this;
    if (pen.canvas.width !== width || pen.canvas.height !== height) {
      Object.assign(pen.canvas, { width, height });
      pen.canvas.style.setProperty("--ratio", width / height);
    }
    const mirrored = by("live-mirror").checked;
    pen.setTransform(mirrored ? -1 : 1, 0, 0, 1, mirrored ? width : 0, 0);
    pen.drawImage(bitmap, 0, 0);
    bitmap.close();
  }

  get title() {
    const style = this.styles().find(({ id }) => id === by("live-style").value);
    return style ? fileName(style) : "fast_style";
  }

  snap() {
    const kind = by("live-format").value;
    const name = `${this.title}.${kind === "image/png" ? "png" : "jpg"}`;
    this.pen.canvas.toBlob((blob) => save(blob, name), kind, 0.95);
    this.say("saved", { name });
  }

  // End the recording, which is saved then.
  rest() {
    if (this.recorder?.state === "recording") this.recorder.stop();
  }

  record() {
    const recorder = new MediaRecorder(this.pen.canvas.captureStream(), { mimeType: this.kind, videoBitsPerSecond: 6e6 });
    const parts = [];
    const timer = setTimeout(() => this.rest(), 1000 * LONGEST);
    const name = `${this.title}.${this.kind.includes("mp4") ? "mp4" : "webm"}`;
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    recorder.addEventListener("stop", () => {
      clearTimeout(timer);
      this.recorder = null;
      this.count = 0;
      this.name();
      const film = new Blob(parts, { type: this.kind });
      if (!film.size) return this.say("record_empty");
      save(film, name);
      this.say("saved", { name });
    });
    recorder.start(1000);
    this.recorder = recorder;
    this.say("recording");
    this.name();
  }
}
