// Times, sizes and states in words.

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export const NODE_WORDS = {
  creating: "creating", starting: "starting", waitingforstarttask: "start task runs", idle: "idle", running: "running",
  offline: "offline", rebooting: "rebooting", reimaging: "reimaging", upgradingos: "upgrading", preempted: "preempted",
  unusable: "unusable", unknown: "unknown", starttaskfailed: "start task failed", leavingpool: "leaving",
  deallocating: "deallocating", deallocated: "deallocated",
};

/** A span of seconds, such as "2 min 5 s". */
export function span(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const first = UNITS.findIndex(([length]) => seconds >= length);
  const [length, unit] = UNITS[first];
  const whole = Math.floor(seconds / length);
  const [nextLength, nextUnit] = UNITS[first + 1] ?? [];
  const rest = nextLength ? Math.floor((seconds - whole * length) / nextLength) : 0;
  return rest ? `${whole} ${unit} ${rest} ${nextUnit}` : `${whole} ${unit}`;
}

/** How long it is, or was, from one moment to another; up to now if there is no other. */
export function between(start, end, now) {
  return start ? span((Date.parse(end ?? now) - Date.parse(start)) / 1000) : "";
}

/** A moment in the reader's own time. */
export function moment(text) {
  return text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : null;
}

/** A moment to the minute. */
export function soon(text) {
  return new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/** A duration of ISO 8601, such as PT1H30M, in words. */
export function duration(text) {
  const found = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(text ?? "");
  if (!found) return text ?? "";
  const [days, hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  return span(days * 86400 + hours * 3600 + minutes * 60 + seconds);
}

/** The state of a task in the words of the page. */
export function taskWord(state) {
  return { active: "waiting", success: "succeeded", failure: "failed" }[state] ?? state;
}

/** A number of bytes, such as "1.5 MB". */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (bytes >= 1000 && place < units.length - 1) {
    bytes /= 1000;
    place += 1;
  }
  return `${place && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[place]}`;
}

/** A number and what it counts: "1 node", "2 nodes". */
export function count(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}
