// The page: asks for the window every few seconds, listens to the feed, shows what is chosen. Nothing here is markup.
import { bars, columns, element, lines, number, seconds } from "/charts.js";
import { showRecord } from "/record.js";
import { offerTrial } from "/trial.js";

const REFRESH_MS = 2000, SHOWN = 40;
const WORDS = { well: "All is well.", watch: "Look at this:", waiting: "Waiting." };
const MIXES = [["labels", "Labels"], ["entity_types", "Types of names"], ["relation_types", "Types of relations"], ["languages", "Languages"], ["reasons", "Dead letters, by reason"], ["models", "Models in use, by stage answered"]];
const SPREADS = [["label_confidence", "Score of the best label"], ["entity_confidence", "Scores of names"]];

let chosenWindow = "hour", paused = false, searching = false, shown = [];
const at = (id) => document.getElementById(id);

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function refresh() {
  try {
    show(await ask(`/api/overview?window=${chosenWindow}`));
  } catch {
    health({ state: "watch", says: ["The insights application does not answer. Documents may well be enriched meanwhile."] });
  }
}

function health({ state, says }) {
  at("health").dataset.state = state;
  at("health-word").textContent = WORDS[state];
  at("health-says").textContent = says.join(" ");
}

function show(data) {
  health(data.health);
  offerTrial(data.trial_characters);
  const { counts } = data, latency = data.seconds.latency;
  const share = (part, whole) => (whole ? `${number((100 * part) / whole, 1)} %` : "–");
  const numbers = [
    ["enriched", number(counts.enriched ?? 0)], ["dead letters", number(counts.dead ?? 0)],
    ["half took at most", latency ? seconds(latency[0]) : "–"], ["99 of 100 at most", latency ? seconds(latency[2]) : "–"],
    ["windows from the cache", share(counts.cache_hits ?? 0, counts.cache_lookups ?? 0)],
    ["known answers found", share(counts.sentinel_right ?? 0, counts.sentinel_answers ?? 0)],
    ["enriched since the start", number(data.total.enriched ?? 0)],
  ];
  at("numbers").replaceChildren(...numbers.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  at("chart-documents").replaceChildren(columns(data.series));
  at("chart-latency").replaceChildren(lines(data.series));
  const mixes = MIXES.filter(([name]) => data.mixes[name]?.length).map(([name, title]) => bars(title, data.mixes[name].slice(0, 10)));
  if (data.top_entities.length) mixes.push(bars("Most frequent names, nearly exact", data.top_entities.slice(0, 10).map((e) => [`${e.text} (${e.type})`, e.count])));
  at("mixes").replaceChildren(...(mixes.length ? mixes : [element("p", { class: "note" }, "Nothing in this window.")]));
  at("quality").replaceChildren(driftPanel(data.drift), ...spreads(data), stepPanel(data.seconds), precisionPanel(data), calibrationPanel(data.calibrations));
}

function spreads(data) {
  return SPREADS.filter(([name]) => data.mixes[name]).map(([name, title]) =>
    bars(title, [...data.mixes[name]].sort((one, other) => one[0].localeCompare(other[0])).map(([low, count]) => [`from ${low}`, count])));
}

function driftPanel(drift) {
  const panel = element("div", {}, element("h3", {}, "Drift"));
  if (drift.learning) panel.append(element("p", { class: "note" }, `Learning what is usual: ${drift.windows_learned} of ${drift.windows_wanted} windows with enough documents.`));
  else if (drift.pinned_at) panel.append(element("p", { class: "note" }, `Against ${number(drift.reference_documents)} documents, pinned ${new Date(drift.pinned_at * 1000).toLocaleString("en")}.`));
  const readings = Object.entries(drift.readings);
  if (readings.length) {
    const rows = readings.map(([name, r]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "number" }, r.psi.toFixed(3)), element("td", { class: "number" }, r.limit.toFixed(3)), element("td", {}, drift.raised.includes(name) ? "drifted" : "as usual")));
    const heads = [["", ""], ["index", "number"], ["limit", "number"], ["", ""]].map(([name, kind]) => element(name ? "th" : "td", name ? { scope: "col", class: kind } : {}, name));
    panel.append(element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)));
  }
  for (const alert of drift.alerts.slice(0, 5)) {
    const moved = alert.shares.map((s) => `${s.bucket} ${number(100 * s.reference)} → ${number(100 * s.window)} %`).join(", ");
    panel.append(element("p", { class: `alert ${alert.state}` }, `${alert.measure}: ${alert.state} in the window to ${new Date(alert.window_end).toLocaleTimeString("en")}. ${moved}`));
  }
  if (!drift.learning && !drift.alerts.length) panel.append(element("p", { class: "note" }, "No alert."));
  return panel;
}

function stepPanel(found) {
  const steps = Object.entries(found).filter(([name]) => name.startsWith("step "));
  const rows = steps.map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name.slice(5)), ...value.map((s) => element("td", { class: "number" }, seconds(s)))));
  const heads = ["p50", "p95", "p99"].map((name) => element("th", { scope: "col", class: "number" }, name));
  return element("div", {}, element("table", {}, element("caption", {}, "Seconds by step, of a document's epoch"), element("thead", {}, element("tr", {}, element("td", {}), ...heads)), element("tbody", {}, ...rows)));
}

function precisionPanel(data) {
  const panel = element("div", {}, element("h3", {}, "Precision, as readers judge it"));
  if (!data.precision.length) {
    panel.append(element("p", { class: "note" }, "Nobody has judged anything yet: open a document and say what is right and what is wrong."));
    return panel;
  }
  const percent = (share) => number(100 * share);
  const rows = data.precision.map((row) => element("tr", {}, element("th", { scope: "row" }, `${row.given} (${row.stage}, ${row.model} ${row.revision})`),
    element("td", { class: "number" }, `${row.right} of ${row.judged}`), element("td", { class: "number" }, `${percent(row.interval[0])}–${percent(row.interval[1])} %`)));
  panel.append(element("table", {}, element("tbody", {}, ...rows)), element("p", { class: "note" }, "Readers judge what strikes them: an estimate, with its 95 % interval."));
  return panel;
}

function calibrationPanel(calibrations) {
  const panel = element("div", {}, element("h3", {}, "Calibrations from verdicts"));
  if (!calibrations.length) panel.append(element("p", { class: "note" }, "None proposed: it takes some hundred verdicts on items with a score."));
  const percent = (share) => number(100 * share);
  for (const { id, state, model, revision, heads } of calibrations) {
    const says = Object.entries(heads).flatMap(([stage, head]) => [
      ...(head.temperature === 1 ? [] : [`${stage}: scores at temperature ${head.temperature}`]),
      ...Object.entries(head.types).map(([type, t]) => `${type} from ${head.thresholds[type]} on: precision ${percent(t.precision_before)} → ${percent(t.precision_after)} %, ${percent(t.right_kept)} % of the right ones stay`)]);
    panel.append(element("p", {}, element("span", { class: "badge" }, state), ` ${model} ${revision}: ${says.join("; ")}`));
    if (state === "proposed") panel.append(element("p", { class: "note" }, `enrich calibrations accept ${id}`));
  }
  return panel;
}

function feedItem(record) {
  const line = element("button", { type: "button", onclick: () => open(record.position) },
    element("span", { class: "id" }, record.id ?? "(no id)"), " ",
    element("span", { class: `badge kind-${record.kind}` }, record.kind === "dead" ? record.note : [record.kind === "sentinel" ? "sentinel" : "", record.note].filter(Boolean).join(" ") || "no label"),
    element("span", { class: "snippet" }, record.snippet));
  return element("li", {}, line);
}

function drawFeed() {
  const held = at("feed").contains(document.activeElement);
  if (held) return; // whoever walks through the list with the keyboard does not lose the place
  at("feed").replaceChildren(...shown.map(feedItem));
}

function listen() {
  const feed = new EventSource("/api/feed");
  feed.onmessage = (event) => {
    const { records, skipped } = JSON.parse(event.data);
    if (paused || searching) return;
    const known = new Set(records.map((record) => record.position));
    shown = [...records.reverse(), ...shown.filter((record) => !known.has(record.position))].slice(0, SHOWN);
    at("feed-note").textContent = skipped > 0 ? `${number(skipped)} more came at once and are not listed.` : "";
    drawFeed();
  };
}

async function open(position) {
  const body = at("record-body");
  try {
    const record = await ask(`/api/records/${position.split("/").map(encodeURIComponent).join("/")}`);
    body.replaceChildren(...showRecord(record, (said) => judge({ position, ...said })));
  } catch (error) {
    body.replaceChildren(element("p", { class: "note" }, error.message));
  }
  at("record-title").focus({ preventScroll: false });
}

async function judge(said) {
  try {
    await ask("/api/corrections", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(said) });
    return "Noted. Thank you.";
  } catch (error) {
    return `Not sent: ${error.message}`;
  }
}

at("windows").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  chosenWindow = button.dataset.window;
  for (const other of at("windows").children) other.setAttribute("aria-pressed", String(other === button));
  refresh();
});
at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
});
at("pin").addEventListener("click", async () => {
  try {
    const { documents } = await ask("/api/reference", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ window: "hour" }) });
    at("pin-note").textContent = `The ${number(documents)} documents of the last hour are the reference now.`;
  } catch (error) {
    at("pin-note").textContent = `Not done: ${error.message}`;
  }
});
at("search").addEventListener("submit", async (event) => {
  event.preventDefault();
  const query = at("query").value.trim();
  searching = query !== "";
  const found = await ask(`/api/records?query=${encodeURIComponent(query)}`);
  shown = found.slice(0, SHOWN);
  at("feed-note").textContent = searching ? `${found.length} found among the recent records; empty the box to go on.` : "";
  at("feed").replaceChildren(...shown.map(feedItem));
});

refresh();
setInterval(refresh, REFRESH_MS);
listen();
