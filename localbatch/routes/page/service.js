// What the service is asked. The token comes with the link, stays in this tab, and is sent in a header alone.

const KEY = "localbatch-page-token";
const ACCOUNT = "localbatch-account";

/** The account that is shown, which this tab remembers. */
export function account() {
  return sessionStorage.getItem(ACCOUNT) ?? "";
}

export function showAccount(name) {
  sessionStorage.setItem(ACCOUNT, name);
}

/** Reads the overview, of the account that is shown or else of the first one, which is shown from then on. */
export async function readOverview() {
  const all = await read("overview");
  showAccount(all.account);
  return all;
}

/** Takes the token out of the address, where it is not to stay. */
export function takeToken() {
  const found = /^#([\w-]{20,})$/.exec(location.hash);
  if (found) {
    sessionStorage.setItem(KEY, found[1]);
    history.replaceState(null, "", "#/");
  }
  return sessionStorage.getItem(KEY) !== null;
}

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(what, parameters) {
  const query = new URLSearchParams({ account: account(), ...parameters });
  const headers = { "localbatch-page-token": sessionStorage.getItem(KEY) ?? "" };
  const answer = await fetch(`/localbatch/status/${what}?${query}`, { headers, cache: "no-store" });
  if (!answer.ok) throw new Refused(answer.status, (await answer.json()).message);
  return answer;
}

export async function read(what, parameters = {}) {
  return (await ask(what, parameters)).json();
}

/** The end of a file as text, and the size of the whole. */
export async function readFile(parameters) {
  const answer = await ask("file", parameters);
  const whole = Number(answer.headers.get("localbatch-file-size"));
  const bytes = await answer.arrayBuffer();
  return { text: new TextDecoder().decode(bytes), cut: whole - bytes.byteLength, whole };
}
