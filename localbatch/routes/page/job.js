// A job: its tasks by state as a bar, and page by page.

import { facts, h, set, sync } from "./dom.js";
import { read } from "./service.js";
import { between, count, moment, taskWord } from "./words.js";

const KINDS = ["succeeded", "failed", "running", "active"];
const WORDS = { active: "waiting", running: "running", succeeded: "succeeded", failed: "failed" };

/** The card of a job among others. */
export function jobCard(job) {
  if (job.none) return { element: h("p", { class: "quiet" }, job.none) };
  const state = h("span", { class: "tag" });
  const about = h("p", { class: "quiet" });
  const bar = new TaskBar();
  const link = h("a", { href: `#/job/${encodeURIComponent(job.id)}` }, job.displayName ?? job.id);
  const element = h("article", { class: "card" },
    h("div", { class: "head" }, h("h3", {}, link), state), bar.element, bar.words, about);
  element.card = {
    update(newest, now) {
      set(state, "text", newest.state);
      set(state, "class", `tag is-${newest.state}`);
      bar.update(newest.tasks);
      const { poolId, endTime, terminateReason } = newest.executionInfo;
      const time = between(newest.creationTime, endTime, now);
      const parts = [poolId ? `pool ${poolId}` : "no pool", endTime ? `took ${time}` : `for ${time}`, terminateReason];
      set(about, "text", parts.filter(Boolean).join(" · "));
    },
  };
  return { element };
}

class TaskBar {
  constructor() {
    this.element = h("div", { class: "bar", "aria-hidden": "true" });
    this.words = h("p", { class: "counts" });
    this.parts = Object.fromEntries(KINDS.map((kind) => [kind, h("i", { class: `t-${kind}` })]));
    this.element.append(...Object.values(this.parts));
  }

  update(tasks) {
    const total = KINDS.reduce((sum, kind) => sum + tasks[kind], 0);
    for (const kind of KINDS) {
      this.parts[kind].style.flexGrow = total ? tasks[kind] / total : 0;
      set(this.parts[kind], "hidden", !tasks[kind]);
    }
    const present = KINDS.filter((kind) => tasks[kind]).map((kind) => ({ kind, number: tasks[kind] }));
    sync(this.words, total ? present : [{ kind: "none" }], (each) => each.kind,
      (each) => h("span", { class: `t-${each.kind}` }),
      (element, each) => set(element, "text", total ? `${each.number.toLocaleString("en")} ${WORDS[each.kind]}` : "no tasks"));
  }
}

export class JobView {
  constructor(id, kind) {
    this.id = id;
    this.kind = kind;
    this.title = id;
    this.after = [0];
    this.bar = new TaskBar();
    this.state = h("span", { class: "tag" });
    this.facts = h("div");
    this.rows = h("tbody");
    this.none = h("p", { class: "quiet" });
    this.back = h("button", { type: "button", onclick: () => this.turn(-1) }, "Earlier");
    this.forth = h("button", { type: "button", onclick: () => this.turn(1) }, "Later");
    this.element = h("div", {},
      h("nav", { "aria-label": "Path" }, h("a", { href: "#/" }, "Overview"), " / ", h("span", {}, id)),
      h("div", { class: "head" }, h("h1", {}, id), this.state),
      this.bar.element, this.bar.words, this.facts,
      h("h2", {}, "Tasks"), this.makeChoice(),
      h("table", {}, h("thead", {}, h("tr", {}, ["Task", "State", "Exit", "Took"].map((name) => h("th", { scope: "col" }, name)))), this.rows),
      this.none, h("p", { class: "turn" }, this.back, this.forth));
  }

  makeChoice() {
    const link = (kind, word) => h("a", {
      href: `#/job/${encodeURIComponent(this.id)}?tasks=${kind}`, "aria-current": kind === this.kind ? "true" : null,
    }, word);
    return h("nav", { class: "choice", "aria-label": "Tasks by state" },
      link("all", "all"), ["running", "active", "succeeded", "failed"].map((kind) => link(kind, WORDS[kind])));
  }

  turn(step) {
    if (step > 0 && this.next) this.after.push(this.next);
    if (step < 0 && this.after.length > 1) this.after.pop();
    return this.refresh();
  }

  async refresh() {
    const found = await read("tasks", { job: this.id, kind: this.kind, after: this.after.at(-1) });
    const { job } = found;
    this.next = found.next;
    set(this.state, "text", job.state);
    set(this.state, "class", `tag is-${job.state}`);
    this.bar.update(job.tasks);
    const { endTime, terminateReason, schedulingError } = job.executionInfo;
    this.facts.replaceChildren(facts([
      ["Pool", found.pool], ["Priority", String(job.priority)], ["Created", moment(job.creationTime)],
      ["Ended", moment(endTime)], ["Reason", terminateReason], ["Error", schedulingError?.message],
    ]));
    sync(this.rows, found.tasks, (task) => task.id, (task) => makeRow(this.id, task), updateRow);
    set(this.none, "text", found.tasks.length ? "" : "There are no such tasks.");
    set(this.back, "disabled", this.after.length < 2);
    set(this.forth, "disabled", !this.next);
    set(this.back.parentElement, "hidden", this.after.length < 2 && !this.next);
  }
}

function makeRow(job, task) {
  const address = `#/task/${encodeURIComponent(job)}/${encodeURIComponent(task.id)}`;
  return h("tr", {}, h("th", { scope: "row" }, h("a", { href: address }, task.id)), h("td", {}, h("span", { class: "tag" })), h("td"), h("td"));
}

function updateRow(row, task) {
  const [, state, exit, took] = row.children;
  const word = task.result ?? task.state;
  set(state.firstChild, "text", taskWord(word));
  set(state.firstChild, "class", `tag is-${word}`);
  set(exit, "text", task.exitCode ?? "");
  set(took, "text", between(task.startTime, task.endTime, new Date().toISOString()));
  set(row, "title", [count(task.retryCount, "retry").replace("retrys", "retries"), count(task.requeueCount, "requeue")].join(", "));
}
