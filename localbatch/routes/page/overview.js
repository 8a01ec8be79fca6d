// The overview: pools as heat maps of their nodes, jobs with their tasks, and job schedules.

import { h, set, sync } from "./dom.js";
import { jobCard } from "./job.js";
import { read, readOverview } from "./service.js";
import { NODE_WORDS, count, duration, soon } from "./words.js";

export class Overview {
  constructor() {
    this.title = "";
    this.pools = h("div", { class: "cards" });
    this.jobs = h("div", { class: "cards" });
    this.schedules = h("div", { class: "cards" });
    this.more = h("p", { class: "quiet" });
    this.scheduled = h("section", { hidden: true }, h("h2", {}, "Job schedules"), this.schedules);
    this.element = h("div", {},
      h("h1", { class: "unseen" }, "Overview"),
      h("section", {}, h("h2", {}, "Pools"), this.pools),
      h("section", {}, h("h2", {}, "Jobs"), this.jobs, this.more),
      this.scheduled);
  }

  async refresh() {
    const all = await readOverview();
    this.accounts = all.accounts;
    const id = (item) => item.id;
    sync(this.pools, orNone(all.pools, "There are no pools."), id, (pool) => new PoolCard(pool).element,
      (element, pool) => element.card?.update(pool));
    sync(this.jobs, orNone(all.jobs, "There are no jobs."), id, (job) => jobCard(job).element,
      (element, job) => element.card?.update(job, all.now));
    sync(this.schedules, all.schedules, id, (schedule) => new ScheduleCard(schedule).element,
      (element, schedule) => element.card.update(schedule));
    set(this.scheduled, "hidden", all.schedules.length === 0);
    const left = all.jobCount - all.jobs.length;
    set(this.more, "text", left > 0 ? `and ${count(left, "older job")}` : "");
  }
}

/** The items, or a single word about their absence. */
function orNone(items, text) {
  return items.length ? items : [{ id: "", none: text }];
}

class PoolCard {
  constructor(pool) {
    if (pool.none) {
      this.element = h("p", { class: "quiet" }, pool.none);
      return;
    }
    this.pool = pool;
    this.state = h("span", { class: "tag" });
    this.about = h("p", { class: "quiet" });
    this.map = h("div", { class: "map", role: "group", "aria-label": `Nodes of pool ${pool.id}` });
    this.legend = h("ul", { class: "legend", "aria-label": "Nodes by state" });
    this.pointed = h("p", { class: "pointed", "aria-live": "polite" });
    this.errors = h("p", { class: "error" });
    this.element = h("article", {},
      h("div", { class: "head" }, h("h3", {}, pool.id), this.state),
      this.about, this.map, h("div", { class: "under" }, this.legend, this.pointed), this.errors);
    this.element.card = this;
    this.map.addEventListener("keydown", (event) => this.move(event));
    for (const kind of ["pointerover", "focusin"]) this.map.addEventListener(kind, (event) => this.point(event.target));
    for (const kind of ["pointerleave", "focusout"]) this.map.addEventListener(kind, () => this.point(null));
  }

  update(pool) {
    const allocated = pool.allocation === "steady" ? pool.state : pool.allocation;
    set(this.state, "text", allocated);
    set(this.state, "class", `tag is-${allocated}`);
    const targets = [count(pool.dedicated, "dedicated node"), pool.spot ? count(pool.spot, "spot node") : ""];
    set(this.about, "text", `${pool.vmSize} · ${targets.filter(Boolean).join(" and ")} · ${count(pool.slots, "task slot")} each`);
    set(this.element, "class", pool.nodes.length > 60 ? "card wide" : "card");
    set(this.map, "class", pool.nodes.length > 400 ? "map dense" : "map");
    sync(this.map, pool.nodes, ([number]) => number, (node) => this.makeNode(node), updateNode);
    this.map.querySelector("[tabindex='0']") ?? this.map.firstElementChild?.setAttribute("tabindex", "0");
    set(this.errors, "text", pool.errors.join(" "));
    this.showLegend(pool.nodes);
    if (this.under) this.describe(this.under);
  }

  makeNode([number]) {
    const address = `#/node/${encodeURIComponent(this.pool.id)}/${number}`;
    return h("a", { href: address, tabindex: "-1" });
  }

  showLegend(nodes) {
    const counts = new Map();
    for (const [, , state] of nodes) counts.set(state, (counts.get(state) ?? 0) + 1);
    const entries = [...counts].map(([state, number]) => ({ key: `s-${state}`, text: `${number} ${NODE_WORDS[state] ?? state}` }));
    if (nodes.some(([, , , , spot]) => spot)) entries.push({ key: "spot", text: "round: spot nodes" });
    sync(this.legend, entries, (entry) => entry.key,
      (entry) => h("li", {}, h("i", { class: `node ${entry.key}`, "aria-hidden": "true" }), h("span")),
      (element, entry) => set(element.lastChild, "text", entry.text));
  }

  point(target) {
    this.under = target?.matches?.("a") ? target : null;
    if (this.under) this.describe(this.under);
    else set(this.pointed, "text", "");
  }

  async describe(element) {
    const number = element.getAttribute("href").split("/").pop();
    const text = element.getAttribute("aria-label");
    if (!element.dataset.running || element.dataset.running === "0") return set(this.pointed, "text", text);
    const node = await read("node", { pool: this.pool.id, node: number }).catch(() => null);
    if (this.under !== element || !node) return;
    const tasks = node.running.map((each) => `${each.job}/${each.task}`).join(", ");
    set(this.pointed, "text", `${node.id.slice(0, 14)}… · ${NODE_WORDS[node.state] ?? node.state} · ${tasks}`);
  }

  /** One stop of the tab key for the whole map; arrows go from node to node. */
  move(event) {
    const nodes = [...this.map.children];
    const place = nodes.indexOf(document.activeElement);
    const row = Math.max(1, nodes.findIndex((node) => node.offsetTop > nodes[0].offsetTop));
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row, Home: -place, End: nodes.length - 1 - place };
    const next = nodes[place + steps[event.key]];
    if (place < 0 || !next) return;
    event.preventDefault();
    nodes[place].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  }
}

function updateNode(element, [, name, state, running, spot]) {
  set(element, "class", `node s-${state}${spot ? " spot" : ""}`);
  set(element, "data-running", running);
  const work = running ? `, runs ${count(running, "task")}` : "";
  set(element, "aria-label", `${spot ? "spot node" : "node"} ${name}: ${NODE_WORDS[state] ?? state}${work}`);
  set(element, "title", element.getAttribute("aria-label"));
}

class ScheduleCard {
  constructor(schedule) {
    this.state = h("span", { class: "tag" });
    this.about = h("p", { class: "quiet" });
    this.recent = h("a", {});
    this.element = h("article", { class: "card" },
      h("div", { class: "head" }, h("h3", {}, schedule.displayName ?? schedule.id), this.state),
      this.about, h("p", {}, this.recent));
    this.element.card = this;
  }

  update(schedule) {
    const { nextRunTime, recentJob, endTime } = schedule.executionInfo;
    set(this.state, "text", schedule.state);
    set(this.state, "class", `tag is-${schedule.state}`);
    const interval = schedule.schedule?.recurrenceInterval;
    const parts = [
      interval ? `every ${duration(interval)}` : "once",
      count(schedule.jobsMade, "job"),
      nextRunTime ? `next ${soon(nextRunTime)}` : "",
      endTime ? `ended ${soon(endTime)}` : "",
    ];
    set(this.about, "text", parts.filter(Boolean).join(" · "));
    set(this.recent, "text", recentJob ? `last: ${recentJob.id}` : "");
    set(this.recent, "href", recentJob ? `#/job/${encodeURIComponent(recentJob.id)}` : null);
  }
}
