// One record: its text in pieces as the server cut them, its relations as a graph, and the buttons that judge it.
import { drawing, element, number } from "/charts.js";

const COLOURS = 6, GRAPH = 420, MOST_NODES = 16;

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

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name)));
  return element("div", { class: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}

function judging(stage, item, named, given, judge) {
  const cell = element("td", {});
  const button = (verdict) => element("button", {
    type: "button", "aria-label": `${named} is ${verdict}`,
    onclick: async () => {
      const expected = verdict === "wrong" ? prompt(`What should "${named}" be instead of ${given}? Leave it empty if you do not know.`) : "";
      if (expected === null) return;
      cell.replaceChildren(element("span", { role: "status" }, await judge({ stage, item, verdict, ...(expected.trim() ? { expected: expected.trim() } : {}) })));
    },
  }, verdict);
  cell.append(button("right"), button("wrong"));
  return cell;
}

function entityTable(record, judge) {
  return table(["Name", "Type", "Score", "Is it right?"], record.entities.map((entity) => element("tr", {},
    element("td", {}, entity.text), element("td", {}, entity.type), element("td", {}, entity.score.toFixed(2)),
    judging("entities", entity.id, entity.text, entity.type, judge))));
}

function labelTable(record, judge) {
  const given = new Set(record.classification.labels.map((label) => label.name));
  return table(["Label", "Score", "", "Is it right?"], record.classification.candidates.map((label) => element("tr", {},
    element("td", {}, label.name), element("td", {}, label.score.toFixed(2)),
    element("td", {}, element("meter", { min: 0, max: 1, value: label.score, "aria-label": `${label.name}: ${label.score.toFixed(2)}` })),
    given.has(label.name) ? judging("classification", label.name, label.name, label.name, judge) : element("td", {}, "not given"))));
}

function relationTable(record, judge) {
  const byId = new Map(record.entities.map((entity) => [entity.id, entity.text]));
  return table(["From", "Relation", "To", "Is it right?"], record.relations.map((relation) => element("tr", {},
    element("td", {}, byId.get(relation.head) ?? relation.head), element("td", {}, relation.type), element("td", {}, byId.get(relation.tail) ?? relation.tail),
    judging("relations", `${relation.head}>${relation.type}>${relation.tail}`, relation.type, relation.type, judge))));
}

// Mentions of one name and type are one node; the nodes stand on a circle, in the order of the text.
function relationGraph(record, colour) {
  const named = new Map(record.entities.map((entity) => [entity.id, `${entity.type}\u0000${entity.text}`]));
  const nodes = [...new Set(record.relations.flatMap((relation) => [named.get(relation.head), named.get(relation.tail)]))].filter(Boolean).slice(0, MOST_NODES);
  const label = record.relations.map((relation) => `${record.entities.find((e) => e.id === relation.head)?.text} ${relation.type} ${record.entities.find((e) => e.id === relation.tail)?.text}`).join("; ");
  const svg = drawing("svg", { viewBox: `0 0 ${GRAPH} ${GRAPH * 0.6}`, role: "img", "aria-label": label });
  const place = (name) => {
    const turn = (2 * Math.PI * nodes.indexOf(name)) / nodes.length - Math.PI;
    return [GRAPH / 2 + Math.cos(turn) * GRAPH * 0.32, GRAPH * 0.3 + Math.sin(turn) * GRAPH * 0.22];
  };
  for (const relation of record.relations) {
    const [from, to] = [named.get(relation.head), named.get(relation.tail)];
    if (!nodes.includes(from) || !nodes.includes(to) || from === to) continue;
    const [x1, y1] = place(from), [x2, y2] = place(to);
    const bend = [(x1 + x2) / 2 + (y2 - y1) * 0.12, (y1 + y2) / 2 + (x1 - x2) * 0.12];
    svg.append(drawing("path", { d: `M${x1} ${y1}Q${bend[0]} ${bend[1]} ${x2} ${y2}`, class: "edge" }), arrow(bend, [x2, y2]),
      drawing("text", { x: bend[0], y: bend[1], "text-anchor": "middle" }, short(relation.type)));
  }
  for (const name of nodes) {
    const [type, text] = name.split("\u0000"), [x, y] = place(name);
    svg.append(drawing("g", { class: colour(type) }, drawing("circle", { cx: x, cy: y, r: 6, class: "dot" })),
      drawing("text", { x, y: y - 10, "text-anchor": "middle" }, short(text)));
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
