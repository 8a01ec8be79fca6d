// A node: its state, what it runs, and what it ran before.

import { facts, h, set } from "./dom.js";
import { read } from "./service.js";
import { NODE_WORDS, moment, taskWord } from "./words.js";

export class NodeView {
  constructor(pool, number) {
    this.names = { pool, node: number };
    this.title = `node of ${pool}`;
    this.heading = h("h1", { class: "long" });
    this.state = h("span", { class: "tag" });
    this.error = h("p", { class: "error" });
    this.facts = h("div");
    this.running = h("ul", { class: "tasks" });
    this.recent = h("ul", { class: "tasks" });
    this.element = h("div", {},
      h("nav", { "aria-label": "Path" }, h("a", { href: "#/" }, "Overview"), " / ", h("span", {}, `pool ${pool}`)),
      h("div", { class: "head" }, this.heading, this.state),
      this.error, this.facts,
      h("h2", {}, "Runs now"), this.running, h("h2", {}, "Ran before"), this.recent);
  }

  async refresh() {
    const node = await read("node", this.names);
    set(this.heading, "text", node.id);
    set(this.state, "text", NODE_WORDS[node.state] ?? node.state);
    set(this.state, "class", `tag n-${node.state}`);
    const failed = node.startTask?.failureInfo;
    const errors = [...node.errors, ...(failed ? [failed] : [])];
    set(this.error, "text", errors.map((error) => `${error.message} (${error.code})`).join("\n"));
    this.facts.replaceChildren(facts([
      ["Since", moment(node.since)], ["Kind", node.dedicated ? "dedicated" : "spot"], ["VM size", node.vmSize],
      ["Address", node.address], ["Scheduling", node.scheduling], ["Slots", `${node.usedSlots} of ${node.slots} in use`],
      ["Tasks run", `${node.tasksRun}, ${node.tasksSucceeded} succeeded`],
      ["Start task", node.startTask ? [node.startTask.state, node.startTask.result].filter(Boolean).join(", ") : null],
    ]));
    for (const [list, tasks] of [[this.running, node.running], [this.recent, node.recent]]) {
      list.replaceChildren(...(tasks.length ? tasks.map(item) : [h("li", { class: "quiet" }, "nothing")]));
    }
  }
}

function item({ job, task, state, result }) {
  const word = result ?? state;
  const address = `#/task/${encodeURIComponent(job)}/${encodeURIComponent(task)}`;
  return h("li", {}, h("a", { href: address }, `${job} / ${task}`), " ", h("span", { class: `tag is-${word}` }, taskWord(word)));
}
