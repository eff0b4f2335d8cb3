// The page: its sections, and the language.
import { Alone } from "./alone.js";
import { Device } from "./device.js";
import { Film } from "./film.js";
import { Jobs } from "./jobs.js";
import { Learn } from "./learn.js";
import { Live } from "./live.js";
import { get, hush, tell } from "./server.js";
import { Stylise } from "./stylise.js";
import { choose, language, t } from "./text.js";

const parts = {};
const { alone } = document.documentElement.dataset; // what is asked where there is no server; else undefined

function translate() {
  document.documentElement.lang = language() === "zh" ? "zh-Hans" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  const button = document.getElementById("language");
  [button.textContent, button.lang] = language() === "zh" ? ["English", "en"] : ["中文", "zh"];
  for (const part of Object.values(parts)) part.name();
}

function open() {
  const links = [...document.querySelectorAll("nav a:not([hidden])")];
  const shown = location.hash ? links.find((link) => link.hasAttribute("aria-current")) : null; // #main is no section
  const chosen = links.find((link) => link.hash === location.hash) ?? shown ?? links[0];
  for (const link of links) {
    if (link !== chosen) parts[link.hash.slice(1)]?.closed?.();
    document.getElementById(link.hash.slice(1)).hidden = link !== chosen;
    if (link === chosen) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${chosen.textContent} · fast_style`;
  hush();
  parts[chosen.hash.slice(1)]?.opened?.();
}

async function start() {
  document.getElementById("language").addEventListener("click", () => {
    choose(language() === "zh" ? "en" : "zh");
    translate();
    open();
  });
  document.querySelector("#alert button").addEventListener("click", hush);
  addEventListener("hashchange", open);
  if (alone) for (const element of document.querySelectorAll("[data-server]")) element.remove();
  translate();
  open();
  const info = await get(alone ?? "api/info");
  const device = new Device(info.runtime);
  if (alone) {
    parts.stylise = new Alone(info, device);
    parts.stylise.start();
    parts.live = new Live(device, () => info.styles);
    return;
  }
  parts.stylise = new Stylise(info);
  const jobs = (parts.jobs = new Jobs());
  const by = (id) => document.getElementById(id);
  parts.learn = new Learn(info, jobs);
  jobs.list("training", by("jobs"), by("jobs-title"));
  jobs.changed = () => parts.stylise.refresh().catch(tell);
  jobs.use = (style) => parts.stylise.use(style);
  await parts.stylise.start();
  parts.live = new Live(device, () => parts.stylise.gallery.styles);
  if (info.films) {
    document.querySelector('nav a[href="#film"]').hidden = false;
    parts.film = new Film(info, jobs, () => parts.stylise.gallery.all);
    jobs.list("film", by("films"), by("films-title"));
    open();
  }
  jobs.listen();
}

start().catch(tell);
