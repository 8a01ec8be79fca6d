// The page: which view the address asks for, and when it is read anew.

import { h, set, sync } from "./dom.js";
import { JobView } from "./job.js";
import { NodeView } from "./node.js";
import { Overview } from "./overview.js";
import { Refused, account, readOverview, showAccount, takeToken } from "./service.js";
import { TaskView } from "./task.js";

const PAUSE = 1500;
const content = document.getElementById("content");
const connection = document.getElementById("connection");
const accounts = document.getElementById("account");
const choice = accounts.querySelector("select");

let view = null;
let turn = 0;

function viewFor(address) {
  const [path, query] = address.split("?");
  const [kind, ...names] = path.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const parameters = new URLSearchParams(query);
  if (kind === "job") return new JobView(names[0], parameters.get("tasks") ?? "all");
  if (kind === "task") return new TaskView(names[0], names[1]);
  if (kind === "node") return new NodeView(names[0], names[1]);
  return new Overview();
}

function show() {
  view = viewFor(location.hash);
  document.title = view.title ? `${view.title} – localbatch` : "localbatch";
  content.replaceChildren(view.element);
  turn += 1;
  refresh(turn);
}

async function refresh(mine) {
  try {
    // An address may lead straight to a job before an account was chosen.
    if (!account()) await readOverview();
    await view.refresh();
    if (mine !== turn) return;
    set(connection, "text", "live");
    set(connection, "class", "live");
    showAccounts();
  } catch (error) {
    if (mine !== turn) return;
    if (error instanceof Refused && error.status === 403) return explain();
    if (error instanceof Refused) view.element.replaceChildren(h("p", { class: "notice" }, error.message));
    set(connection, "text", error instanceof Refused ? "live" : "no connection");
    set(connection, "class", error instanceof Refused ? "live" : "lost");
  }
  setTimeout(() => mine === turn && refresh(mine), document.hidden ? 4 * PAUSE : PAUSE);
}

function showAccounts() {
  if (!view.accounts) return;
  set(accounts, "hidden", view.accounts.length < 2);
  const names = view.accounts;
  sync(choice, names, (name) => name, (name) => h("option", { value: name }, name), () => {});
  if (choice.value !== account()) choice.value = account();
}

function explain() {
  turn += 1;
  set(connection, "text", "");
  content.replaceChildren(
    h("section", { class: "notice" },
      h("h1", {}, "This page needs its link"),
      h("p", {}, "What runs here is shown to the owner of the service alone. The link with the key to this page is in the "
        + "log of the service, and in the file ", h("code", {}, "page.url"), " of its root directory. It is another one "
        + "after each start."),
      h("pre", {}, "python -m localbatch\n… Status page: http://127.0.0.1:…/#…")));
}

choice.addEventListener("change", () => {
  showAccount(choice.value);
  location.hash = "#/";
  show();
});
window.addEventListener("hashchange", () => {
  if (location.hash === "#content") return;
  takeToken();
  show();
  content.focus({ preventScroll: true });
  window.scrollTo(0, 0);
});
if (takeToken()) show();
else explain();
