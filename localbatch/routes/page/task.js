// A task: how it went, and its files with their text while it is being written.

import { facts, h, set, sync } from "./dom.js";
import { read, readFile } from "./service.js";
import { between, moment, size, taskWord } from "./words.js";

const FIRST = ["stdout.txt", "stderr.txt"];

export class TaskView {
  constructor(job, task) {
    this.names = { job, task };
    this.title = task;
    this.state = h("span", { class: "tag" });
    this.facts = h("div");
    this.command = h("pre", { class: "command" });
    this.error = h("p", { class: "error" });
    this.files = h("div", { class: "files", role: "group", "aria-label": "Files" });
    this.file = "stdout.txt";
    this.about = h("p", { class: "quiet" });
    this.text = h("pre", { class: "text", tabindex: "0", "aria-label": "Text of the file" });
    this.element = h("div", {},
      h("nav", { "aria-label": "Path" }, h("a", { href: "#/" }, "Overview"), " / ",
        h("a", { href: `#/job/${encodeURIComponent(job)}` }, job), " / ", h("span", {}, task)),
      h("div", { class: "head" }, h("h1", {}, task), this.state),
      this.error, this.facts, h("h2", {}, "Command"), this.command,
      h("h2", {}, "Files"), this.files, this.about, this.text);
  }

  async refresh() {
    const task = await read("task", this.names);
    const { startTime, endTime, exitCode, failureInfo, result, retryCount, requeueCount } = task.executionInfo;
    const word = result ?? task.state;
    set(this.state, "text", taskWord(word));
    set(this.state, "class", `tag is-${word}`);
    set(this.error, "text", failureInfo ? explain(failureInfo) : "");
    const { poolId, nodeId } = task.nodeInfo ?? {};
    const address = task.node === null ? null : `#/node/${encodeURIComponent(poolId)}/${task.node}`;
    const node = nodeId ? h("a", { href: address }, `${nodeId.slice(0, 14)}…`) : null;
    this.facts.replaceChildren(facts([
      ["Node", node], ["Exit code", exitCode?.toString()], ["Created", moment(task.creationTime)],
      ["Started", moment(startTime)], ["Ended", moment(endTime)],
      ["Took", startTime ? between(startTime, endTime, new Date().toISOString()) : null],
      ["Retries", retryCount ? String(retryCount) : null], ["Requeues", requeueCount ? String(requeueCount) : null],
    ]));
    set(this.command, "text", task.commandLine);
    await this.refreshFiles();
  }

  async refreshFiles() {
    const found = await read("files", this.names);
    const rank = (file) => FIRST.indexOf(file.name) + 1 || FIRST.length + 1;
    const files = found.files.sort((one, other) => rank(one) - rank(other));
    sync(this.files, files, (file) => file.name,
      (file) => h("button", { type: "button", onclick: () => this.open(file.name) }, h("span"), " ", h("small")),
      (element, file) => {
        set(element.firstChild, "text", file.name);
        set(element.lastChild, "text", size(file.size));
        set(element, "aria-pressed", String(file.name === this.file));
      });
    if (!files.length) {
      set(this.about, "text", found.message ?? "There are no files.");
      set(this.text, "hidden", true);
    } else if (files.some((file) => file.name === this.file)) await this.read();
  }

  open(name) {
    this.file = name;
    set(this.text, "text", "");
    return this.refreshFiles();
  }

  async read() {
    const name = this.file;
    const { text, cut, whole } = await readFile({ ...this.names, name });
    if (name !== this.file) return;
    const atEnd = this.text.scrollTop + this.text.clientHeight >= this.text.scrollHeight - 20;
    set(this.text, "hidden", false);
    set(this.text, "text", text);
    set(this.about, "text", cut > 0 ? `The last ${size(whole - cut)} of ${size(whole)}` : whole ? "" : "It is empty.");
    if (atEnd) this.text.scrollTop = this.text.scrollHeight;
  }
}

function explain({ code, message, details }) {
  const more = (details ?? []).map((each) => `${each.name}: ${each.value}`);
  return [`${message} (${code})`, ...more].join("\n");
}
