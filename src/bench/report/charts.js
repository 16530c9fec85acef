"use strict";
// Charts in SVG: scales, axes, curves with a legend, and a tooltip that follows the pointer.

const COLOURS = ["#2f7fd0", "#d9632b", "#2c9e72", "#b04fb3", "#c9a227", "#5b6bd6", "#c8425e", "#3aa6b0", "#8a8f2e", "#9a6a4a", "#7c8894", "#e07ba8"];
const colour = index => COLOURS[index % COLOURS.length];
// A worker's colour is that of the window and of maps of owners.
const WORKERS = /*WORKERS*/;
const worker_colour = worker => WORKERS[worker % WORKERS.length];
const narrow = () => document.documentElement.clientWidth < 640;
const DASHES = ["", "7 4", "2 3", "9 3 2 3"];
// A line of the legend, with the dashes of its curve.
function stroke(paint, dashes) {
  let at = 0;
  const parts = dashes.split(" ").filter(Boolean).map((length, index) => `${index % 2 ? "transparent" : paint} ${at}px ${at += +length}px`);
  return parts.length ? `repeating-linear-gradient(90deg, ${parts.join(", ")})` : paint;
}
const dash = index => DASHES[Math.floor(index / COLOURS.length) % 4];

function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function svg(tag, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const tip = html("div", { id: "tip" });
function showTip(event, text) {
  tip.textContent = text;
  tip.style.display = "block";
  const left = Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8));
  tip.style.left = left + "px";
  tip.style.top = Math.max(4, event.clientY - tip.offsetHeight - 10) + "px";
}
const hideTip = () => { tip.style.display = "none"; };

function time(seconds) {
  if (seconds === null || seconds === undefined || !isFinite(seconds)) return "";
  for (const [unit, scale] of [["s", 1], ["ms", 1e-3], ["µs", 1e-6], ["ns", 1e-9]]) {
    if (Math.abs(seconds) >= 0.9995 * scale || unit === "ns") return (seconds / scale).toPrecision(3) + " " + unit;
  }
}
const number = (value, digits = 2) => value === null || value === undefined || !isFinite(value) ? "" : value.toFixed(digits);
const percent = part => part === null || part === undefined || !isFinite(part) ? "" : (100 * part).toFixed(1) + " %";

function linear(from, to, low, high) {
  const scale = value => low + (value - from) / (to - from || 1) * (high - low);
  const rough = (to - from || 1) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(m => m * power).find(step => step >= rough);
  scale.ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to + step * 1e-6; at += step) scale.ticks.push(+at.toPrecision(10));
  return scale;
}

function logarithmic(base, from, to, low, high) {
  const scale = value => low + Math.log(value / from) / Math.log(to / from || 2) * (high - low);
  scale.ticks = [];
  const first = Math.ceil(Math.log(from) / Math.log(base) - 1e-9), last = Math.floor(Math.log(to) / Math.log(base) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first) / 12));
  for (let power = first; power <= last; power += every) scale.ticks.push(base ** power);
  return scale;
}

// Every other tick of a scale whose labels would run into each other on a narrow page.
const thin = scale => scale.ticks.filter((_, index) => !narrow() || scale.ticks.length < 5 || index % 2 === 0);

// Curves: [{name, points: [[x, y, low, high]], dashed}]. Options: x and y as {label, log, min, max, format}, ideal: [[x, y]],
// dash: the number of a curve's file; band: its low and high values bound an area;
// beside: curves share few values of x, and their points are drawn side by side there.
function chart(curves, options) {
  const W = narrow() ? 340 : options.wide ? 1130 : 560, H = narrow() ? 280 : options.wide ? 400 : 340, left = 66, right = 26, top = 12, bottom = 44;
  const drawing = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": options.title || "" });
  const all = curves.flatMap(curve => curve.points);
  const range = (values, axis) => {
    const finite = values.filter(value => isFinite(value) && (!axis.log || value > 0));
    return [axis.min ?? Math.min(...finite), axis.max ?? Math.max(...finite)];
  };
  const [x0, x1] = range(all.map(p => p[0]), options.x), [y0, y1] = range(all.flatMap(p => [p[1], p[2] ?? p[1], p[3] ?? p[1]]), options.y);
  const scale = (axis, from, to, low, high) => axis.log ? logarithmic(axis.log, from, to, low, high) : linear(from, to, low, high);
  const aside = options.beside ? Math.min(9, 90 / curves.length) : 0, room = aside * curves.length / 2 + (aside && 8);
  const x = scale(options.x, x0, x1, left + room, W - right - room), y = scale(options.y, y0, y1 === y0 ? y0 + 1 : y1, H - bottom, top);
  if (options.x.ticks) x.ticks = options.x.ticks;
  const format = axis => axis.format || (value => String(+value.toPrecision(6)));
  for (const at of thin(x)) {
    drawing.append(svg("line", { class: "rule", x1: x(at), x2: x(at), y1: top, y2: H - bottom }));
    drawing.append(svg("text", { x: x(at), y: H - bottom + 17, "text-anchor": "middle" }, format(options.x)(at)));
  }
  for (const at of y.ticks) {
    drawing.append(svg("line", { class: "rule", x1: left, x2: W - right, y1: y(at), y2: y(at) }));
    drawing.append(svg("text", { x: left - 7, y: y(at) + 4, "text-anchor": "end" }, format(options.y)(at)));
  }
  drawing.append(svg("path", { class: "axis", fill: "none", d: `M${left} ${top}V${H - bottom}H${W - right}` }));
  drawing.append(svg("text", { x: (left + W - right) / 2, y: H - 8, "text-anchor": "middle" }, options.x.label));
  drawing.append(svg("text", { transform: `translate(12 ${(top + H - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, options.y.label));
  const line = points => points.map((p, i) => `${i ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("");
  const clip = "c" + Math.random().toString(36).slice(2);
  const mask = svg("clipPath", { id: clip });
  mask.append(svg("rect", { x: left - 5, y: top - 5, width: W - left - right + 10, height: H - top - bottom + 10 }));
  drawing.append(mask);
  if (options.ideal) drawing.append(svg("path", { class: "ideal", d: line(options.ideal), "clip-path": `url(#${clip})` }));
  const legend = html("div", { class: "legend" });
  curves.forEach((curve, index) => {
    const outer = svg("g", { "clip-path": `url(#${clip})` }), group = svg("g"), paint = curve.colour ?? colour(index);
    const points = curve.points.filter(p => isFinite(p[1])), shift = aside * (index - (curves.length - 1) / 2);
    const dashes = curve.dashed ? "5 4" : curve.dash !== undefined ? DASHES[curve.dash % DASHES.length] : dash(index);
    group.setAttribute("transform", `translate(${shift} 0)`);
    group.append(svg("path", { class: aside ? "curve thin" : "curve", stroke: paint, d: line(points), "stroke-dasharray": dashes }));
    if (curve.band && points.length) {
      const edges = [...points.map(p => [p[0], p[2]]), ...points.map(p => [p[0], p[3]]).reverse()];
      group.prepend(svg("path", { class: "band", fill: paint, d: line(edges) + "Z" }));
    }
    for (const p of points) {
      if (p[2] !== undefined && !curve.band) group.append(svg("line", { stroke: paint, x1: x(p[0]), x2: x(p[0]), y1: y(p[2]), y2: y(p[3]), "stroke-opacity": 0.45, "stroke-width": 5 }));
      const dot = svg("circle", { cx: x(p[0]), cy: y(p[1]), r: curve.dashed ? 2 : 3.4, fill: paint });
      const words = p[4] ?? `${curve.name}\n${options.x.label}: ${format(options.x)(p[0])}\n${options.y.label}: ${+p[1].toPrecision(4)}`;
      dot.addEventListener("mousemove", event => showTip(event, words));
      dot.addEventListener("mouseleave", hideTip);
      group.append(dot);
    }
    outer.append(group);
    drawing.append(outer);
    const entry = html("span", { onclick: () => { const off = entry.classList.toggle("off"); group.style.display = off ? "none" : ""; } });
    entry.append(html("i", { style: `background:${stroke(paint, dashes)}` }), curve.name);
    legend.append(entry);
  });
  const card = html("div", { class: options.wide ? "card wide" : "card" });
  if (options.title) card.append(html("h3", {}, options.title));
  card.append(drawing, legend);
  return card;
}

// Columns: [heading, cell of a row, whether it is left-aligned]. A cell may be an element.
function table(columns, rows) {
  const cell = (tag, value, isLeft) => html(tag, isLeft ? { class: "l" } : {}, value ?? "");
  const head = html("tr", {}, ...columns.map(([heading, , isLeft]) => cell("th", heading, isLeft)));
  const body = rows.map(row => html("tr", {}, ...columns.map(([heading, show, isLeft]) => {
    const value = show(row), element = value instanceof HTMLTableCellElement ? value : cell("td", value, isLeft);
    // On a narrow page each row is a list, in which the cell says what it is.
    if (heading) element.dataset.label = heading;
    return element;
  })));
  return html("div", { class: "scroll" }, html("table", {}, html("thead", {}, head), html("tbody", {}, ...body)));
}

// A cell for text of any length, such as a file's name.
const long = text => html("td", { class: "l long" }, text ?? "");

function meter(part, paint) {
  const bar = html("i", { style: `width:${Math.max(0, Math.min(1, part || 0)) * 110}px;background:${paint}` });
  return html("td", { class: "meter" }, bar);
}

function choice(values, change, first = 0) {
  const select = html("select", { onchange: () => change(+select.value) });
  values.forEach((value, index) => select.append(html("option", { value: index }, value)));
  select.selectedIndex = Math.max(0, first);
  return select;
}
