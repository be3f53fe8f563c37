// One record: its text in pieces as the server cut them, its relations as a graph, and the buttons that judge it.
import { drawing, element, number } from "/charts.js";

let known = []; // types and labels of the record that is shown, offered where one of them was wrong
const COLOURS = 6, GRAPH = 460, HIGH = 300, MOST_NODES = 10, MOST_NAMED = 8;

// Without `judge` there is nothing to judge: a text that was only tried out is on no topic.
export function showRecord(record, judge) {
  return record.kind === "dead" ? showDead(record) : showEnriched(record, judge);
}

function showDead(letter) {
  const rows = [
    ["Reason", `${letter.stage}: ${letter.code}`], ["In words", letter.detail], ["Document", letter.id ?? "not readable"],
    ["Input record", `${letter.origin.topic}/${letter.origin.partition}/${letter.origin.offset}`],
    ["Tries", String(letter.attempts)], ["Bytes", number(letter.payload.size_bytes)],
  ];
  return [element("p", { class: "badge kind-dead" }, "dead letter"), facts("Why it was not enriched", rows),
    element("p", { class: "note" }, `enrich dead-letters show ${letter.position}`)];
}

function showEnriched(record, judge) {
  const types = [...new Set(record.entities.map((entity) => entity.type))].sort();
  if (judge) known = [...new Set([...types, ...record.relations.map((r) => r.type), ...(record.classification?.candidates ?? []).map((c) => c.name)])];
  const colour = (type) => `t${types.indexOf(type) % COLOURS}`;
  const parts = [element("h3", { class: "id" }, record.title ?? record.id)];
  parts.push(element("p", {}, element("span", { class: "badge" }, record.language.code), " ", ...types.map((type) => element("span", { class: `key ${colour(type)}` }, type))));
  parts.push(record.pieces ? showText(record, colour) : element("p", { class: "note" }, "The record does not repeat the text."));
  if (record.summary) parts.push(block("Summary", element("p", {}, record.summary.text), element("p", { class: "note" }, record.summary.kind === "extractive" ? "Its sentences are lit in the text." : "Written by the model.")));
  if (record.classification) parts.push(block("Labels", labelTable(record, judge)));
  if (record.relations.length) parts.push(block("Relations", relationGraph(record, colour), relationTable(record, judge)));
  if (record.entities.length) parts.push(block("Names", entityTable(record, judge)));
  parts.push(block("Receipts", facts("Who answered", record.receipts.map((r) => [r.stage, `${r.model}, ${r.revision.slice(0, 12)}, ${r.precision}`]))));
  if (record.warnings.length) parts.push(facts("Warnings", record.warnings.map((warning) => [warning.code, warning.detail])));
  return parts;
}

function showText(record, colour) {
  const byId = new Map(record.entities.map((entity) => [entity.id, entity]));
  const pieces = record.pieces.map((piece) => {
    let node = document.createTextNode(piece.text);
    for (const id of piece.entities) {
      const entity = byId.get(id);
      node = element("mark", { class: colour(entity.type), title: `${entity.type}, ${entity.score.toFixed(2)}`, "data-entity": id }, node);
    }
    return piece.summary ? element("span", { class: "quoted" }, node) : node;
  });
  return element("div", { class: "text", dir: "auto", tabindex: "0", role: "region", "aria-label": "Text of the document" }, ...pieces);
}

function block(title, ...children) {
  return element("div", { class: "block" }, element("h3", {}, title), ...children);
}

function facts(title, rows) {
  const body = rows.map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)));
  return element("table", {}, element("caption", {}, title), element("tbody", {}, ...body));
}

function table(heads, rows, judge) {
  if (judge) heads.push("Is it right?");
  const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name)));
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}

// A dialog element: it holds the focus, Enter sends, Escape leaves, and the focus goes back. Resolves to null if left.
function askWhatInstead(named, given) {
  const dialog = document.getElementById("correct"), box = document.getElementById("correct-expected");
  document.getElementById("correct-what").textContent = `"${named}" is given as ${given}. Leave the box empty if you only know that this is wrong.`;
  document.getElementById("correct-known").replaceChildren(...known.filter((name) => name !== given).map((name) => element("option", { value: name })));
  box.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "send" ? box.value.trim() : null), { once: true }));
}

function judging(stage, item, named, given, judge) {
  if (!judge) return null;
  const cell = element("td", {});
  const button = (verdict) => element("button", {
    type: "button", "aria-label": `${named} is ${verdict}`,
    onclick: async () => {
      const expected = verdict === "wrong" ? await askWhatInstead(named, given) : "";
      if (expected === null) return;
      const said = element("span", { role: "status", tabindex: "-1" }, await judge({ stage, item, verdict, ...(expected ? { expected } : {}) }));
      cell.replaceChildren(said);
      said.focus(); // the button that had it is gone
    },
  }, verdict);
  cell.append(button("right"), button("wrong"));
  return cell;
}

function entityTable(record, judge) {
  return table(["Name", "Type", "Score"], record.entities.map((entity) => element("tr", {},
    element("td", {}, entity.text), element("td", {}, entity.type), element("td", {}, entity.score.toFixed(2)),
    judging("entities", entity.id, entity.text, entity.type, judge))), judge);
}

function labelTable(record, judge) {
  const given = new Set(record.classification.labels.map((label) => label.name));
  return table(["Label", "Score", "How sure"], record.classification.candidates.map((label) => element("tr", {},
    element("td", {}, label.name), element("td", {}, label.score.toFixed(2)),
    element("td", {}, element("meter", { min: 0, max: 1, value: label.score, "aria-label": `${label.name}: ${label.score.toFixed(2)}` })),
    given.has(label.name) ? judging("classification", label.name, label.name, label.name, judge) : judge ? element("td", {}, "not given") : null)), judge);
}

function relationTable(record, judge) {
  const byId = new Map(record.entities.map((entity) => [entity.id, entity.text]));
  return table(["From", "Relation", "To"], record.relations.map((relation) => element("tr", {},
    element("td", {}, byId.get(relation.head) ?? relation.head), element("td", {}, relation.type), element("td", {}, byId.get(relation.tail) ?? relation.tail),
    judging("relations", `${relation.head}>${relation.type}>${relation.tail}`, relation.type, relation.type, judge))), judge);
}

// Mentions of one name and type are one node. The nodes with most relations stand on a circle; what is left out, and the
// names of the relations where there are many, are in the table below.
function relationGraph(record, colour) {
  const texts = new Map(record.entities.map((entity) => [entity.id, entity.text]));
  const named = new Map(record.entities.map((entity) => [entity.id, `${entity.type}\u0000${entity.text}`]));
  const edges = new Map(), degree = new Map();
  for (const { head, type, tail } of record.relations) {
    const [from, to] = [named.get(head), named.get(tail)];
    if (from === undefined || to === undefined || from === to) continue;
    edges.set(`${from}\u0001${type}\u0001${to}`, [from, type, to]);
    for (const node of [from, to]) degree.set(node, (degree.get(node) ?? 0) + 1);
  }
  const nodes = [...degree.keys()].sort((one, other) => degree.get(other) - degree.get(one)).slice(0, MOST_NODES);
  const drawn = [...edges.values()].filter(([from, , to]) => nodes.includes(from) && nodes.includes(to));
  const label = record.relations.map(({ head, type, tail }) => `${texts.get(head) ?? head} ${type} ${texts.get(tail) ?? tail}`).join("; ");
  const svg = drawing("svg", { viewBox: `0 0 ${GRAPH} ${HIGH}`, role: "img", "aria-label": label });
  const place = (name) => {
    const turn = (2 * Math.PI * nodes.indexOf(name)) / nodes.length - Math.PI;
    return [GRAPH / 2 + Math.cos(turn) * GRAPH * 0.33, HIGH / 2 + Math.sin(turn) * HIGH * 0.38];
  };
  for (const [from, type, to] of drawn) {
    const [x1, y1] = place(from), [x2, y2] = place(to);
    const bend = [(x1 + x2) / 2 + (y2 - y1) * 0.12, (y1 + y2) / 2 + (x1 - x2) * 0.12];
    svg.append(drawing("path", { d: `M${x1} ${y1}Q${bend[0]} ${bend[1]} ${x2} ${y2}`, class: "edge" },
      drawing("title", {}, `${from.split("\u0000")[1]} ${type} ${to.split("\u0000")[1]}`)), arrow(bend, [x2, y2]));
    if (drawn.length <= MOST_NAMED) svg.append(drawing("text", { x: bend[0], y: bend[1], "text-anchor": "middle" }, short(type)));
  }
  for (const name of nodes) {
    const [type, text] = name.split("\u0000"), [x, y] = place(name);
    svg.append(drawing("g", { class: colour(type) }, drawing("circle", { cx: x, cy: y, r: 6, class: "dot" })),
      drawing("text", { x, y: y < HIGH / 2 ? y - 12 : y + 20, "text-anchor": "middle" }, short(text)));
  }
  return svg;
}

function arrow([fromX, fromY], [x, y]) {
  const turn = (Math.atan2(y - fromY, x - fromX) * 180) / Math.PI;
  return drawing("path", { d: "M-7 0l-9 -4v8z", transform: `translate(${x} ${y}) rotate(${turn})`, class: "arrow" });
}

function short(text) {
  const points = Array.from(text);
  return points.length > 22 ? `${points.slice(0, 21).join("")}…` : text;
}
