// Cards of what takes minutes, as it goes.
import { ask, get, tell } from "./server.js";
import { t } from "./text.js";

const make = (tag, properties = {}, ...inside) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...inside);
  return element;
};

// Told of all jobs whenever they change: by events, or, where these do not come through, by asking.
export class Jobs {
  constructor() {
    this.lists = []; // {kind, place, title}
    this.cards = new Map();
    this.changed = () => {};
    this.jobs = [];
  }

  list(kind, place, title) {
    this.lists.push({ kind, place, title });
  }

  // While the page is hidden nothing is asked: a browser has few connections to one server, and each of its tabs holds one.
  listen() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    if (!document.hidden) this.open();
  }

  close() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.again);
    clearInterval(this.polling);
    this.polling = null;
  }

  open() {
    this.source = new EventSource("api/jobs/events");
    this.source.onmessage = (event) => {
      clearInterval(this.polling);
      this.polling = null;
      this.show(JSON.parse(event.data).jobs);
    };
    this.source.onerror = () => {
      this.polling ??= setInterval(() => this.look().catch(() => {}), 2000);
      if (this.source.readyState !== EventSource.CLOSED) return;
      clearTimeout(this.again);
      this.again = setTimeout(() => this.open(), 5000);
    };
  }

  async look() {
    this.show((await get("api/jobs")).jobs);
  }

  name() {
    for (const card of this.cards.values()) card.drawn = null;
    this.show(this.jobs);
  }

  show(jobs) {
    const done = (list) => list.filter((job) => job.state === "done" || job.files?.length).map((job) => job.id).join();
    const news = done(jobs) !== done(this.jobs);
    this.jobs = jobs;
    for (const { kind, place, title } of this.lists) {
      const own = jobs.filter((job) => job.kind === kind);
      title.hidden = !own.length;
      for (const job of own) this.draw(job, place);
      const wanted = own.map((job) => this.cards.get(job.id).element);
      if (wanted.some((element, place_) => place.children[place_] !== element) || wanted.length !== place.children.length)
        place.replaceChildren(...wanted);
    }
    for (const id of this.cards.keys()) if (!jobs.some((job) => job.id === id)) this.cards.delete(id);
    if (news) this.changed();
  }

  reveal(id) {
    const element = this.cards.get(id)?.element;
    element?.scrollIntoView({ block: "nearest" });
    element?.querySelector("h4").focus();
  }

  draw(job) {
    const known = this.cards.get(job.id);
    const told = JSON.stringify(job);
    if (known?.drawn === told) return;
    const card = known ?? this.card(job);
    card.drawn = told;
    this.cards.set(job.id, card);
    card.title.textContent = job.name;
    const [now, more] = state(job);
    if (card.state.textContent !== now) card.state.textContent = now; // which is read aloud
    card.more.textContent = more;
    card.bar.setAttribute("aria-label", t("progress"));
    card.bar.hidden = !["running", "stopping"].includes(job.state);
    if (job.progress == null) card.bar.removeAttribute("value");
    else card.bar.value = job.progress;
    const picture = job.picture ? `api/jobs/${job.id}/picture?${job.picture}` : job.kind === "training" ? `api/jobs/${job.id}/painting` : "";
    if (picture && card.image.getAttribute("src") !== picture) card.image.src = picture;
    card.image.hidden = !picture;
    card.image.alt = t(job.picture ? "progress_alt" : "painting_alt");
    const film = job.kind === "film" && settled(job) ? job.files?.[0] : null;
    const source = film ? `api/jobs/${job.id}/files/${film}?${job.since}` : "";
    if (source && card.film.getAttribute("src") !== source) card.film.src = source;
    card.film.hidden = !source;
    card.chart.replaceChildren(...(job.losses ? [chart(job.losses)] : []));
    const focused = card.buttons.contains(document.activeElement) ? document.activeElement.dataset.action : null;
    card.buttons.replaceChildren(...this.buttons(job));
    card.buttons.querySelector(`[data-action="${focused}"]`)?.focus();
  }

  card() {
    const card = {
      title: make("h4", { tabIndex: -1 }),
      state: make("span"),
      more: make("span"),
      bar: make("progress", { max: 1 }),
      image: make("img", { loading: "lazy" }),
      film: make("video", { controls: true, preload: "metadata", hidden: true }),
      chart: make("div"),
      buttons: make("p", { className: "row" }),
    };
    card.state.setAttribute("role", "status");
    const told = make("p", { className: "quiet" }, card.state, card.more);
    card.element = make("article", { className: "job" }, card.title, card.image, card.film, told, card.bar, card.chart, card.buttons);
    return card;
  }

  buttons(job) {
    const does = (action, method, path, sure) => {
      const button = make("button", { type: "button", className: "plain", textContent: t(action) });
      button.dataset.action = action;
      button.setAttribute("aria-label", `${t(action)}: ${job.name}`);
      button.addEventListener("click", async () => {
        if (sure && !confirm(t(sure, { name: job.name }))) return;
        button.disabled = true;
        try {
          await ask(`api/jobs/${job.id}${path}`, { method });
          await this.look();
        } catch (error) {
          tell(error);
        }
        button.disabled = false;
      });
      return button;
    };
    const buttons = [];
    if (["queued", "running"].includes(job.state)) buttons.push(does("stop", "POST", "/stop"));
    if (job.state === "stopping") buttons.push(does("end", "POST", "/stop", "sure_end"));
    if (job.state === "stopped") buttons.push(does("continue", "POST", "/continue"));
    for (const file of job.kind === "film" && !settled(job) ? [] : (job.files ?? [])) {
      const suffix = job.kind === "film" ? "film" : file.split(".").at(-1);
      const link = make("a", { className: "button", href: `api/jobs/${job.id}/files/${file}`, textContent: t(`file_${suffix}`) });
      link.setAttribute("download", job.kind === "film" ? `${job.name}.${file.split(".").at(-1)}` : "");
      if (file === "network.safetensors") {
        const use = make("a", { className: "button main", href: `#stylise`, textContent: t("use") });
        use.addEventListener("click", () => this.use?.(`job:${job.id}`));
        buttons.push(use);
      }
      buttons.push(link);
    }
    if (["done", "stopped", "queued"].includes(job.state)) buttons.push(does("delete", "DELETE", "", "sure_delete"));
    return buttons;
  }
}

const settled = (job) => ["done", "stopped"].includes(job.state);

// What has become of a job, and how far it is, which changes all the time.
function state(job) {
  const words = [t(word(job), { position: job.position })];
  if (job.message) words.push(job.message);
  const parts = [""];
  if (job.state === "running" && job.seconds_left != null) parts.push(t("minutes_left", { minutes: Math.max(1, Math.ceil(job.seconds_left / 60)) }));
  if (job.state !== "queued" && job.step) parts.push(t("step", { step: job.step }));
  return [words, parts].map((each) => each.join(" · "));
}

function word(job) {
  if (job.state === "running" && !job.step && !job.progress) return "state_ready";
  if (job.state === "stopped" && job.message) return "state_failed";
  return job.state === "stopped" && job.kind === "training" ? "state_early" : `state_${job.state}`;
}

// Losses over steps, each beside its own first value, on a scale of powers.
function chart(losses) {
  const [width, height] = [300, 90];
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height + 4}`);
  svg.setAttribute("role", "img");
  const finite = Object.entries(losses).map(([name, points]) => [name, points.filter(([, value]) => value != null)]);
  const shown = finite.filter(([, points]) => points.length > 1 && points[0][1] > 0).slice(0, 4);
  const values = shown.flatMap(([, points]) => points.map(([, value]) => Math.log(Math.max(1e-6, value / points[0][1]))));
  const [low, high] = [Math.min(...values, -0.1), Math.max(...values, 0.1)];
  const last = Math.max(...shown.map(([, points]) => points.at(-1)[0]), 1);
  const legend = make("p", { className: "legend" });
  shown.forEach(([name, points], number) => {
    const line = document.createElementNS(ns, "polyline");
    const places = points.map(([step, value]) => {
      const y = (high - Math.log(Math.max(1e-6, value / points[0][1]))) / (high - low);
      return `${((width * step) / last).toFixed(1)},${(2 + height * y).toFixed(1)}`;
    });
    line.setAttribute("points", places.join(" "));
    line.setAttribute("class", `line line${number}`);
    svg.append(line);
    const word = t(`loss_${name}`);
    legend.append(make("span", { className: `key key${number}`, textContent: `${word.startsWith("loss_") ? name : word} ${points.at(-1)[1].toPrecision(3)}` }), " ");
  });
  svg.setAttribute("aria-label", t("losses_alt"));
  return make("div", { className: "chart", hidden: !shown.length }, svg, legend);
}
