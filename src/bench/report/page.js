"use strict";
// The page: a section for each kind of measurement that the data holds.

const data = JSON.parse(document.getElementById("data").textContent);
const page = document.getElementById("page");
const entries = data.results || [], scenes = data.scenes || [], machine = data.machine || {};
const grid = (...cards) => html("div", { class: "grid" }, ...cards);
const card = (title, ...parts) => html("div", { class: "card wide" }, html("h3", {}, title), ...parts);
const redraw = () => document.querySelectorAll("canvas").forEach(element => element.redraw && element.redraw());

function section(title, text, ...parts) {
  page.append(html("h2", {}, title), html("p", { class: "soft" }, text), ...parts);
}

function theme(dark) {
  document.documentElement.classList.toggle("dark", dark);
  redraw();
}

function top_of_page() {
  const button = html("button", { onclick: () => theme(!document.documentElement.classList.contains("dark")) }, "light / dark");
  page.append(html("header", {}, html("h1", {}, "fractal bench"), html("span", { class: "soft" }, describe(machine)), button));
  for (const text of data.warnings || []) page.append(html("p", { class: "note" }, text));
  for (const text of data.left_out || []) page.append(html("p", { class: "soft" }, "Left out: " + text + "."));
}

function describe(machine) {
  const parts = [machine.processor, machine.allowed && `${machine.allowed.length} of ${machine.processors} processors`, machine.isa];
  return parts.filter(Boolean).join(", ");
}

// The backends in order of appearance, so that each has one colour everywhere.
const names = [...new Set([...entries.map(line_of), ...scenes.flatMap(s => (s.checks || []).map(c => `${c.backend}, ${c.schedule}`))])];
function line_of(entry) { return `${entry.parameters.backend}, ${entry.parameters.schedule}`; }
const paint_of = name => colour(Math.max(0, names.indexOf(name)));

function scaling() {
  const measured = entries.filter(entry => entry.parameters && entry.parameters.scene && entry.times.length);
  const kinds = [...new Set(measured.map(entry => entry.parameters.scene))];
  if (!kinds.length) return;
  const place = html("div");
  const show = index => {
    const scene = kinds[index], all = measured.filter(entry => entry.parameters.scene === scene);
    const shared = all.filter(entry => !entry.parameters.core);
    const most = Math.max(...shared.map(entry => +entry.parameters.workers));
    const curve = value => [...new Set(shared.map(line_of))].map(name => ({
      name, colour: paint_of(name),
      points: shared.filter(entry => line_of(entry) === name).map(entry => {
        const n = +entry.parameters.workers, base = entry.speedup * entry.median;
        const words = `${name}, ${n} workers\n${time(entry.median)} ± ${time(entry.mad)}\nspeed-up ${number(entry.speedup)}, efficiency ${percent(entry.efficiency)}`;
        return [n, value(base / entry.median, n), value(base / entry.max, n), value(base / entry.min, n), words];
      }),
    }));
    const x = { label: "workers", min: 1, max: Math.max(2, most), ticks: [...new Set(shared.map(entry => +entry.parameters.workers))] };
    const over = power => Math.max(...shared.map(entry => entry.speedup * entry.median / entry.min / (+entry.parameters.workers) ** power));
    place.replaceChildren(grid(
      chart(curve(speedup => speedup), { title: "Speed-up", x, y: { label: "speed-up", min: 0, max: Math.max(most, over(0)) }, beside: true, ideal: [[1, 1], [most, most]] }),
      chart(curve((speedup, n) => speedup / n), { title: "Efficiency", x, y: { label: "efficiency", min: 0, max: Math.max(1.1, over(1)), format: v => Math.round(100 * v) + " %" }, beside: true, ideal: [[1, 1], [most, 1]] }),
      runs(all), laws(scene), card("All combinations", rows(all))));
  };
  section("Cores", "Medians of the measured times, relative to one worker of serial. Bars reach from the slowest to the fastest run; the dotted line is the ideal. Click a name to hide it.",
    html("div", { class: "bar" }, "Scene", choice(kinds, show)), place);
  show(0);
}

function rows(all) {
  const most = Math.max(...all.map(entry => entry.speedup || 0), 1);
  return table([
    ["backend", e => e.parameters.backend, true], ["schedule", e => e.parameters.schedule, true],
    ["workers", e => e.parameters.core ? "on " + e.parameters.core : e.parameters.workers], ["runs", e => e.times.length],
    ["minimum", e => time(e.min)], ["median", e => time(e.median)], ["MAD", e => time(e.mad)], ["outliers", e => e.outliers],
    ["speed-up", e => number(e.speedup)], ["", e => meter(e.speedup / most, paint_of(line_of(e))), true],
    ["efficiency", e => percent(e.efficiency)], ["idle", e => percent(e.idle)], ["imbalance", e => percent(e.imbalance)],
    ["Karp–Flatt", e => number(e.karp_flatt, 4)], ["overhead per piece", e => time(e.overhead_per_piece)],
    ["user", e => time(e.user)], ["system", e => time(e.system)],
  ], all);
}

// Every single time, so that nobody has to trust a median.
function runs(all) {
  const W = 560, left = 190, step = 20, H = all.length * step + 34;
  const times = all.flatMap(entry => entry.times), x = linear(0, Math.max(...times), left, W - 14);
  const drawing = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Every run" });
  for (const at of x.ticks) {
    drawing.append(svg("line", { class: "rule", x1: x(at), x2: x(at), y1: 0, y2: H - 30 }));
    drawing.append(svg("text", { x: x(at), y: H - 14, "text-anchor": "middle" }, at ? time(at) : "0"));
  }
  all.forEach((entry, index) => {
    const y = index * step + 12, paint = paint_of(line_of(entry));
    const place = entry.parameters.core ? `on ${entry.parameters.core}` : entry.parameters.workers;
    drawing.append(svg("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, `${line_of(entry)} · ${place}`));
    entry.times.forEach((t, run) => {
      const dot = svg("circle", { cx: x(t), cy: y + (run % 5 - 2) * 1.6, r: 2.6, fill: paint, "fill-opacity": 0.5 });
      dot.addEventListener("mousemove", event => showTip(event, `run ${run + 1}: ${time(t)}`));
      dot.addEventListener("mouseleave", hideTip);
      drawing.append(dot);
    });
    drawing.append(svg("line", { x1: x(entry.median), x2: x(entry.median), y1: y - 7, y2: y + 7, stroke: "currentColor", "stroke-width": 1.6 }));
  });
  return html("div", { class: "card" }, html("h3", {}, "Every run, and the median"), drawing);
}

function laws(scene) {
  const fits = (data.fits || []).filter(fit => fit.scene === scene);
  if (!fits.length) return html("div", { class: "card" }, html("h3", {}, "Scaling laws"), html("p", { class: "soft" }, "They need at least two different numbers of workers, each with its own processor."));
  const counts = [1, 2, 4, 8, 16, 32, 64, 128, 256];
  const speedup = (law, n) => n / (1 + law.contention * (n - 1) + law.coherency * n * (n - 1));
  const curves = fits.map(fit => {
    const law = fit.universal || fit.amdahl, range = fit.amdahl.contention_interval, name = `${fit.backend}, ${fit.schedule}`;
    return { name, colour: paint_of(name), dashed: true, points: counts.map(n => {
      const words = `${name} with ${n}: ${number(speedup(law, n))}\nserial part ${percent(fit.amdahl.contention)}` + (range ? `, 95 % interval ${percent(range.low)} to ${percent(range.high)}` : "");
      return [n, speedup(law, n), undefined, undefined, words];
    }) };
  });
  return chart(curves, { title: "Speed-up predicted by Amdahl's or the universal scalability law", x: { label: "workers", log: 2 }, y: { label: "speed-up", log: 2, min: 1, max: 256 }, ideal: [[1, 1], [256, 256]] });
}

function timelines() {
  const with_lines = scenes.filter(scene => (scene.timelines || []).length);
  if (!with_lines.length) return;
  const place = html("div"), options = with_lines.flatMap(scene => scene.timelines.map(line => [scene, line]));
  const first = options.findIndex(([, line]) => line.workers > 1);
  const show = index => {
    const [scene, line] = options[index], costs = scene.recording && scene.recording.costs;
    const busy = line.claims.reduce((sum, c) => sum + c[4] - c[3], 0) / (line.workers * line.wall * 1e6);
    const parts = [card(`${line.workers} workers, ${line.claims.length} claims, ${time(line.wall)}, busy ${percent(busy)}`, gantt(line, costs))];
    if (scene.tiles.length) {
      const owner = [];
      line.claims.forEach(c => { for (let i = 0; i < c[2]; i++) owner[c[1] + i] = c[0]; });
      const workers = html("div", { class: "key" });
      for (let worker = 0; worker < Math.min(line.workers, 16); worker++) workers.append(html("i", { style: `background:${colour(worker)}` }), "worker " + worker);
      parts.push(html("div", { class: "card" }, html("h3", {}, "Which worker computed which tile"), map(scene.tiles, i => colour(owner[i] ?? 0), i => `tile ${i}: worker ${owner[i]}`), workers));
      if (costs) {
        const low = Math.log(Math.min(...costs)), high = Math.log(Math.max(...costs));
        const steps = [0, 0.25, 0.5, 0.75, 1].map(heat).join(","), key = html("div", { class: "key" });
        key.append(time(Math.exp(low)), html("b", { style: `background:linear-gradient(90deg,${steps})` }), time(Math.exp(high)) + ", logarithmic");
        parts.push(html("div", { class: "card" }, html("h3", {}, "What each tile costs"), map(scene.tiles, i => heat((Math.log(costs[i]) - low) / (high - low || 1)), i => `tile ${i}: ${time(costs[i])}`), key));
      }
    } else if (costs) {
      parts.push(chart([{ name: "cost", points: costs.map((cost, i) => [i, cost]) }], { title: "What each piece costs", x: { label: "piece" }, y: { label: "seconds", min: 0, format: time } }));
    }
    place.replaceChildren(grid(...parts));
    redraw();
  };
  section("Timelines", "One run of each backend. Scroll to zoom, drag to move, double-click to reset. Paler claims cost less per piece.",
    html("div", { class: "bar" }, "Run", choice(options.map(([scene, line]) => `${scene.name}: ${line.backend}, ${line.schedule}`), show, first)), place);
  show(Math.max(0, first));
}

function predictions() {
  const with_them = scenes.filter(scene => (scene.predictions || []).length);
  if (!with_them.length) return;
  const place = html("div"), options = with_them.flatMap(scene => [...new Set(scene.predictions.map(p => p.order))].map(order => [scene, order]));
  const show = index => {
    const [scene, order] = options[index];
    const mine = scene.predictions.filter(p => p.order === order), one = mine[0].runs.find(run => run[1].workers === 1)[1].makespan;
    const bound = { name: "no schedule can be faster", colour: "#8a929a", dashed: true, points: mine[0].runs.map(([, run]) => [run.workers, one / run.bound]) };
    const curves = mine.map((p, i) => ({ name: p.schedule, colour: colour(i), points: p.runs.map(([chunk, run]) => {
      const words = `${p.schedule}${chunk ? `, chunk ${chunk}` : ""}, ${run.workers} workers\n${time(run.makespan)}, speed-up ${number(one / run.makespan, 1)}\nefficiency ${percent(run.efficiency)}, imbalance ${percent(run.imbalance)}, ${run.claims} claims`;
      return [run.workers, one / run.makespan, undefined, undefined, words];
    }) }));
    const parts = [chart([bound, ...curves], { title: "Predicted speed-up", x: { label: "workers", log: 2 }, y: { label: "speed-up", log: 2, min: 1 }, ideal: [[1, 1], [4096, 4096]] })];
    const efficiency = mine.map((p, i) => ({ name: p.schedule, colour: colour(i), points: p.runs.map(([, run]) => [run.workers, run.efficiency]) }));
    parts.push(chart(efficiency, { title: "Predicted efficiency", x: { label: "workers", log: 2 }, y: { label: "efficiency", min: 0, max: 1, format: v => Math.round(100 * v) + " %" } }));
    if ((scene.checks || []).length) {
      parts.push(card("Real runs and their predictions (the lower decile of the times of each)", table([
        ["backend", c => c.backend, true], ["schedule", c => c.schedule, true], ["workers", c => c.workers],
        ["measured", c => time(c.measured)], ["predicted", c => time(c.predicted)], ["error", c => percent(c.predicted / c.measured - 1)],
      ], scene.checks)));
    }
    place.replaceChildren(grid(...parts));
  };
  section("Predictions for other schedules and more workers", "Each piece's recorded cost, replayed event by event by the code that hands out pieces in real runs, with the measured costs of claims, of the shared counter and of starting.",
    html("div", { class: "bar" }, "Scene and order", choice(options.map(([scene, order]) => `${scene.name}, ${order}`), show)), place);
  show(0);
}

function overheads() {
  const found = data.overhead;
  if (!found) return;
  const least = times => times.length ? Math.min(...times) : undefined;
  const name = g => `${g.backend}, ${g.schedule}`;
  const split = r => [r.name.slice(0, r.name.indexOf(", ")), r.name.slice(r.name.indexOf(", ") + 2)];
  const [runtimes, whats] = [0, 1].map(part => [...new Set((found.references || []).map(r => split(r)[part]))]);
  const backends = [...new Set(found.grains.map(g => g.backend))];
  // One curve for each backend: one piece per claim, from a shared counter where it has one.
  const single = backends.map(backend => {
    const own = found.grains.filter(g => g.backend === backend), plain = own.filter(g => !/auto|guided/.test(g.schedule));
    return own.find(g => g.schedule.startsWith("dynamic")) || plain[0] || own[0];
  });
  const choices = [["each backend, one piece per claim", single], ["each backend, auto", found.grains.filter(g => g.schedule === "auto")],
    ...backends.map(backend => [`${backend}, every schedule`, found.grains.filter(g => g.backend === backend)]), ["all", found.grains]].filter(([, grains]) => grains.length);
  const place = html("div");
  const show = index => {
    const curves = choices[index][1].map((g, i) => ({ name: name(g), colour: colour(i), points: g.points.map(p => [p.seconds, p.efficiency, undefined, undefined, `${name(g)}\npieces of ${time(p.seconds)}: ${percent(p.efficiency)}`]) }));
    place.replaceChildren(chart(curves, { wide: true, title: "Efficiency by length of a piece", x: { label: "length of a piece", log: 10, format: time }, y: { label: "efficiency", min: 0, max: 1, format: v => Math.round(100 * v) + " %" }, ideal: [[1e-8, 0.5], [0.1, 0.5]] }));
  };
  section("Overhead of backends", "Efficiency by length of a piece: the work done, relative to the most that any backend did in the same time with as many workers. The length at which a curve crosses 50 % is Task Bench's METG.",
    html("div", { class: "bar" }, "Curves", choice(choices.map(([name]) => name), show)), place, html("p"), grid(
      card("Costs, the minimum of all runs", table([
        ["backend", c => c.backend, true], ["schedule", c => c.schedule, true], ["workers", c => c.workers],
        ["empty piece", c => time(least(c.piece))], ["its processor time", c => time(least(c.processor))],
        ["empty run", c => time(least(c.run))], ["start", c => time(least(c.open))], ["stop", c => time(least(c.close))],
        ["METG 50 %", c => metg(found, c, "metg50")], ["METG 95 %", c => metg(found, c, "metg95")],
      ], found.costs)),
      ...(found.references || []).length ? [card("Region constructs and other runtimes, measured in the same run", table([
        ["what", what => what, true], ["workers", () => found.references[0].workers],
        ...runtimes.map(runtime => [runtime, what => time(least((found.references.find(r => r.name === `${runtime}, ${what}`) || { times: [] }).times))]),
      ], whats))] : []));
  show(0);
}

function metg(found, cost, level) {
  const grains = found.grains.find(g => g.backend === cost.backend && g.schedule === cost.schedule && g.workers === cost.workers);
  return grains && grains[level] !== null ? time(grains[level]) : "never";
}

function about() {
  const list = pairs => html("dl", {}, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, String(value))]));
  const seconds = value => value === undefined ? value : value.toFixed(2) + " s";
  const use = data.usage || {}, told = machine.processor || machine.host;
  const computer = [
    ["host", machine.host], ["processor", machine.processor], ["logical processors", machine.processors], ["cores", machine.cores],
    ["may run on", machine.allowed && machine.allowed.join(", ")], ["quota", machine.quota && machine.quota + " processors"],
    ["caches", (machine.caches || []).map(c => `L${c.level} ${c.kind.toLowerCase()} ${c.size.replace("K", " KiB")}, shared by ${c.shared_by}`).join("; ")],
    ["memory nodes", machine.nodes], ["governor", machine.governor || (told && "unknown")], ["virtual machine", told && (machine.is_virtual ? "yes" : "no")],
    ["memory", machine.memory_bytes && (machine.memory_bytes / 2 ** 30).toFixed(1) + " GiB"], ["system", machine.system], ["instruction set", machine.isa],
    ["compiler", machine.compiler], ["fractal", machine.version && machine.version + (machine.debug_assertions ? ", with debug assertions" : "")],
    ["commit", machine.commit || (told && "unknown")],
  ];
  const meanwhile = [
    ["took", seconds(use.wall)], ["processor time of fractal", use.own === undefined ? "" : `${seconds(use.own)} by the system's accounting, ${seconds(use.own_clock)} by its own clock`],
    ["processor time of other programs", seconds(use.others)], ["taken by the host", seconds(use.steal)], ["throttled", use.throttled === undefined ? "" : use.throttled + " times"], ["load average of the last minute", use.load],
    ["round trip of a cache line between processors", use.round_trips && [...new Set(use.round_trips.map(t => (1e9 * t).toFixed(0)))].join(" to ") + " ns"],
  ];
  const text = JSON.stringify(data), link = html("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "fractal-bench.json" }, "save as a file");
  const raw = html("pre"), details = html("details", { ontoggle: () => { raw.textContent = details.open ? JSON.stringify(data, null, 1).slice(0, 400000) : ""; } }, html("summary", {}, "Raw data"), raw);
  section("Machine and settings", "Where and how these figures were measured.", grid(
    html("div", { class: "card" }, html("h3", {}, "Machine"), list(computer)),
    html("div", { class: "card" }, html("h3", {}, "Settings"), list(Object.entries(data.settings || {})), html("h3", {}, "During the measurement"), list(meanwhile)),
    card("Everything that was measured", html("p", {}, link), details)));
}

document.body.append(tip);
document.documentElement.classList.toggle("dark", location.hash === "#dark" || location.hash !== "#light" && matchMedia("(prefers-color-scheme: dark)").matches);
for (const part of [top_of_page, scaling, timelines, predictions, overheads, about]) part();
document.documentElement.dataset.ready = "yes";
