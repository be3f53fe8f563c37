// Small charts as SVG, made node by node: what comes from a document is text and never markup.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 480, HEIGHT = 150, LEFT = 40, BOTTOM = 20, TOP = 8;

export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function drawing(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export function number(value, digits = 0) {
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

export function seconds(value) {
  return value < 1 ? `${number(value * 1000, value < 0.01 ? 1 : 0)} ms` : `${number(value, value < 10 ? 2 : 0)} s`;
}

function canvas(label, top, unit) {
  const svg = drawing("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  const floor = HEIGHT - BOTTOM;
  svg.append(
    drawing("line", { x1: LEFT, y1: floor, x2: WIDTH, y2: floor, class: "axis" }),
    drawing("text", { x: LEFT - 4, y: TOP + 8, "text-anchor": "end" }, unit(top)),
    drawing("text", { x: LEFT - 4, y: floor, "text-anchor": "end" }, "0"),
  );
  return svg;
}

function ends(svg, points) {
  const when = (start) => new Date(start * 1000).toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false });
  svg.append(
    drawing("text", { x: LEFT, y: HEIGHT - 5 }, when(points[0].start)),
    drawing("text", { x: WIDTH, y: HEIGHT - 5, "text-anchor": "end" }, when(points[points.length - 1].start)),
  );
}

export function columns(points) {
  const top = Math.max(1, ...points.map((point) => point.enriched + point.dead));
  const all = points.reduce((sum, point) => sum + point.enriched, 0);
  const dead = points.reduce((sum, point) => sum + point.dead, 0);
  const svg = canvas(`${number(all)} enriched and ${number(dead)} dead letters in this window`, top, number);
  const step = (WIDTH - LEFT) / points.length, tall = HEIGHT - BOTTOM - TOP;
  points.forEach((point, place) => {
    let floor = HEIGHT - BOTTOM;
    for (const kind of ["enriched", "dead"]) {
      const high = (point[kind] / top) * tall;
      floor -= high;
      if (high > 0) svg.append(drawing("rect", { x: LEFT + place * step + 0.5, y: floor, width: Math.max(1, step - 1), height: high, class: `c-${kind}` }));
    }
  });
  ends(svg, points);
  return svg;
}

export function lines(points) {
  const known = points.filter((point) => point.latency);
  const top = Math.max(0.001, ...known.map((point) => point.latency[1]));
  const last = known.length ? known[known.length - 1].latency : null;
  const svg = canvas(last ? `At the end half took at most ${seconds(last[0])}, 95 of 100 at most ${seconds(last[1])}` : "Nothing was measured", top, seconds);
  const step = (WIDTH - LEFT) / points.length, tall = HEIGHT - BOTTOM - TOP;
  for (const rank of [0, 1]) {
    let path = "", pen = "M";
    points.forEach((point, place) => {
      if (!point.latency) { pen = "M"; return; }
      const x = LEFT + (place + 0.5) * step, y = HEIGHT - BOTTOM - (point.latency[rank] / top) * tall;
      path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}${pen === "M" ? `h1` : ""}`;
      pen = "L";
    });
    if (path) svg.append(drawing("path", { d: path, class: `l-${rank}` }));
  }
  ends(svg, points);
  return svg;
}

export function bars(title, rows, note = "") {
  const most = Math.max(1, ...rows.map((row) => row[1])), all = rows.reduce((sum, row) => sum + row[1], 0);
  const body = rows.map(([name, count]) => element("tr", {},
    element("th", { scope: "row" }, name),
    element("td", {}, element("meter", { min: 0, max: most, value: count, "aria-label": `${name}: ${number((100 * count) / all)} %` })),
    element("td", { class: "number" }, number(count)),
  ));
  const table = element("table", {}, element("caption", {}, title), element("tbody", {}, ...body));
  return element("div", {}, table, note ? element("p", { class: "note" }, note) : null);
}
