"use strict";
// The page: a section for each kind of measurement that the data holds.

const sources = JSON.parse(document.getElementById("data").textContent);
const page = document.getElementById("page");
const many = sources.length > 1;
// What all files hold, each thing with the number of its file.
const all_of = key => sources.flatMap((source, at) => [source.results[key] || []].flat().map(item => ({ ...item, source: at })));
const entries = all_of("results"), scenes = all_of("scenes"), fits = all_of("fits");
const label = at => sources[at].file || "this measurement";
// A name with that of its file, where there are several.
const from = (item, name) => many ? `${label(item.source)}: ${name}` : name;
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
  const machine = many ? `${sources.length} files side by side` : describe(sources[0].results.machine || {});
  page.append(html("header", {}, html("h1", {}, "fractal bench"), html("span", { class: "soft" }, machine), button));
  if (many) {
    const machine_of = source => source.results.machine || {}, settings = source => Object.entries(source.results.settings || {});
    page.append(card("What stands side by side", table([
      ["file", s => long(s.file), true], ["machine", s => long(describe(machine_of(s))), true], ["host", s => long(machine_of(s).host), true],
      ["commit", s => machine_of(s).commit || "unknown", true], ["fractal", s => machine_of(s).version, true],
      ["settings", s => long(settings(s).map(([name, value]) => `${name} ${value}`).join("; ")), true],
    ], sources)));
  }
  sources.forEach((source, at) => source.headline && page.append(html("p", { class: "headline" }, from({ source: at }, source.headline))));
  // What several files say is said once.
  const say = (key, kind, words) => {
    const texts = [...new Set(sources.flatMap(source => source.results[key] || []))];
    for (const text of texts) {
      const files = sources.flatMap((source, at) => (source.results[key] || []).includes(text) ? [label(at)] : []);
      page.append(html("p", { class: kind }, (many ? files.join(", ") + ": " : "") + words(text)));
    }
  };
  say("warnings", "note", text => text);
  say("left_out", "soft", text => `Left out: ${text}.`);
}

function describe(machine) {
  const parts = [machine.processor, machine.allowed && `${machine.allowed.length} of ${machine.processors} processors`, machine.isa];
  return parts.filter(Boolean).join(", ");
}

// The backends in order of appearance, so that each has one colour everywhere. Files differ by their dashes.
const names = [...new Set([...entries.map(line_of), ...scenes.flatMap(s => (s.checks || []).map(c => `${c.backend}, ${c.schedule}`))])];
function line_of(entry) { return `${entry.parameters.backend}, ${entry.parameters.schedule}`; }
const paint_of = name => colour(Math.max(0, names.indexOf(name)));
const is_weak = entry => entry.parameters.scaling === "weak";
const full_name = entry => from(entry, line_of(entry));
// Of one time nothing is known but itself.
const spread = (entry, before = "") => entry.times.length > 1 ? before + time(entry.mad) : "";
const mark = entry => entry.disturbed ? " !" : "";

function scaling() {
  const measured = entries.filter(entry => entry.parameters && entry.parameters.scene && !entry.parameters.tile && entry.times.length);
  const kinds = [...new Set(measured.map(entry => entry.parameters.scene))];
  if (!kinds.length) return;
  const place = html("div");
  const show = index => {
    const scene = kinds[index], all = side_by_side(measured.filter(entry => entry.parameters.scene === scene));
    const [weak, shared] = [true, false].map(kind => all.filter(entry => !entry.parameters.core && is_weak(entry) === kind));
    const curves = (list, value) => [...new Set(list.map(full_name))].map(name => {
      const own = list.filter(entry => full_name(entry) === name);
      return { name, colour: paint_of(line_of(own[0])), dash: many ? own[0].source : undefined, points: own.filter(entry => entry.speedup).map(entry => {
        const n = +entry.parameters.workers, base = entry.speedup * entry.median, range = entry.speedup_interval;
        const words = `${name}, ${workers(n)}\n${time(entry.median)}${spread(entry, " ± ")}${entry.disturbed ? ", disturbed by other programs" : ""}\nspeed-up ${number(entry.speedup)}` +
          (range ? ` (${number(range.low)} to ${number(range.high)})` : "") + `, efficiency ${percent(entry.efficiency)}`;
        return [n, value(base / entry.median, n), value(base / entry.max, n), value(base / entry.min, n), words];
      }) };
    });
    const over = (list, power) => Math.max(1, ...list.filter(entry => entry.speedup).map(entry => entry.speedup * entry.median / entry.min / (+entry.parameters.workers) ** power));
    const pair = (list, first) => {
      const counts = [...new Set(list.map(entry => +entry.parameters.workers))], most = Math.max(...counts);
      const x = { label: "workers", min: 1, max: Math.max(2, most), ticks: counts };
      return [
        chart(curves(list, speedup => speedup), { title: first, x, y: { label: "speed-up", min: 0, max: Math.max(most, over(list, 0)) }, beside: true, ideal: [[1, 1], [most, most]] }),
        chart(curves(list, (speedup, n) => speedup / n), { title: first.replace("peed-up", "peed-up over workers: efficiency"), x, y: { label: "efficiency", min: 0, max: Math.max(1.1, over(list, 1)), format: v => Math.round(100 * v) + " %" }, beside: true, ideal: [[1, 1], [most, 1]] }),
      ];
    };
    const bases = sources.map((source, at) => [at, (source.results.bases || {})[scene]]).filter(([at]) => shared.some(entry => entry.source === at));
    const relative = bases.map(([at, base]) => from({ source: at }, base ? `speed-ups are relative to ${base}` : "no speed-ups, since nothing was measured with one worker")).join("; ");
    const notes = [(many ? relative : relative[0].toUpperCase() + relative.slice(1)) + "."];
    if (all.some(entry => entry.disturbed)) notes.push("Marked with !: other programs disturbed these runs, so their times are too long; what would follow from them in error is left out.");
    if (all.some(entry => entry.efficiency > 1.0005)) notes.push("Above 100 %: chance where the interval reaches down to 100 %; otherwise parts fit into caches that the whole does not fit, or the baseline was slow.");
    if (all.some(entry => entry.karp_flatt > 1 || entry.karp_flatt < 0)) notes.push("Karp–Flatt outside of 0 to 1 is no share: above 1 several workers were slower than one, below 0 faster than their number allows.");
    const first = shared.length ? pair(shared, "Speed-up") : [];
    const second = weak.length ? pair(weak, "Scaled speed-up, where the work grows with the workers") : [];
    place.replaceChildren(html("p", { class: "soft" }, notes.join(" ")), grid(...first, ...second, runs(all), laws(scene), ...rows(all)));
  };
  section("Cores", "Medians of the measured times. Bars reach from the slowest to the fastest run; the dotted line is the ideal. Click a name to hide it.",
    html("div", { class: "bar" }, "Scene", choice(kinds, show)), place);
  show(0);
}

const workers = n => n === 1 ? "1 worker" : `${n} workers`;

// The same combination of all files together, in the order of the first that has it.
function side_by_side(list) {
  const key = entry => JSON.stringify(entry.parameters), order = [...new Set(list.map(key))];
  return order.flatMap(one => list.filter(entry => key(entry) === one));
}

function rows(all) {
  const most = Math.max(...all.map(entry => entry.speedup || 0), 1), weak = all.some(is_weak);
  const what = [
    ...many ? [["file", e => long(label(e.source)), true]] : [],
    ["backend", e => e.parameters.backend, true], ["schedule", e => e.parameters.schedule, true],
    ["workers", e => e.parameters.core ? "on " + e.parameters.core : e.parameters.workers],
    ...weak ? [["work", e => "× " + number(e.growth || 1)]] : [],
  ];
  const speed = table([
    ...what, ["runs", e => e.times.length], ["minimum", e => time(e.min)], ["median", e => time(e.median) + mark(e)], ["MAD", e => spread(e)],
    ["speed-up", e => number(e.speedup)], ["95 % interval", e => e.speedup_interval ? `${number(e.speedup_interval.low)} to ${number(e.speedup_interval.high)}` : ""],
    ["", e => meter(e.speedup / most, paint_of(line_of(e))), true], ["efficiency", e => percent(e.efficiency)],
  ], all);
  const spent = table([
    ...what, ["outliers", e => e.outliers], ["idle", e => percent(e.idle)], ["imbalance", e => percent(e.imbalance)],
    ["Karp–Flatt", e => e.karp_flatt > 1 ? "> 1" : e.karp_flatt < 0 ? "< 0" : number(e.karp_flatt, 4)],
    ["overhead per piece", e => time(e.overhead_per_piece)], ["user", e => time(e.user)], ["system", e => time(e.system)],
  ], all);
  return [card("All combinations", speed), card("Where the time went", spent)];
}

// Every single time, so that nobody has to trust a median.
function runs(all) {
  const place = entry => (entry.parameters.core ? `on ${entry.parameters.core}` : entry.parameters.workers) + (is_weak(entry) ? " weak" : "") + mark(entry);
  const words = all.map(entry => `${full_name(entry)} · ${place(entry)}`), longest = Math.max(...words.map(text => text.length)) * 6.6 + 14;
  // Names that would take half of the width stand above their times.
  const W = narrow() ? 340 : 560, above = longest > W / 2, left = above ? 8 : longest, step = above ? 32 : 20, H = all.length * step + 34;
  const times = all.flatMap(entry => entry.times), x = linear(0, Math.max(...times), left, W - 24);
  const drawing = svg("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Every run" });
  for (const at of thin(x)) {
    drawing.append(svg("line", { class: "rule", x1: x(at), x2: x(at), y1: 0, y2: H - 30 }));
    drawing.append(svg("text", { x: x(at), y: H - 14, "text-anchor": "middle" }, at ? time(at) : "0"));
  }
  all.forEach((entry, index) => {
    const y = index * step + step - 8, paint = paint_of(line_of(entry));
    drawing.append(svg("text", above ? { x: left, y: y - 11 } : { x: left - 8, y: y + 4, "text-anchor": "end" }, words[index]));
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
  const mine = fits.filter(fit => fit.scene === scene);
  const empty = text => html("div", { class: "card" }, html("h3", {}, "Scaling laws"), html("p", { class: "soft" }, text));
  if (!mine.length) return empty("They need at least two different numbers of workers, each with its own processor.");
  const share = value => value > 1 ? "above 100 %" : percent(Math.max(0, value));
  const known = (value, r) => r.high < 0 ? "is none, since the workers were faster than their number allows" : r.low <= 0 && r.high >= 1 ? "is not known" : `${share(value)} (${share(r.low)} to ${share(r.high)})`;
  const is_disturbed = fit => entries.some(e => e.disturbed && e.source === fit.source && e.parameters.scene === fit.scene && line_of(e) === `${fit.backend}, ${fit.schedule}`);
  const sure = mine.filter(fit => (fit.amdahl || {}).contention_interval || (fit.gustafson || {}).interval);
  const serial = html("p", { class: "soft" }, sure.map(fit => {
    const parts = [];
    if ((fit.amdahl || {}).contention_interval) parts.push(`Amdahl's serial part ${known(fit.amdahl.contention, fit.amdahl.contention_interval)}`);
    if ((fit.gustafson || {}).interval) parts.push(`Gustafson's ${known(fit.gustafson.serial, fit.gustafson.interval)}`);
    return `${from(fit, `${fit.backend}, ${fit.schedule}`)}${is_disturbed(fit) ? " !" : ""}: ${parts.join(", ")}`;
  }).join("; ") + (sure.length ? "." : ""));
  const curves = mine.map(fit => {
    const chosen = fit.universal && (fit.universal.forecasts || []).length ? fit.universal : fit.amdahl, name = from(fit, `${fit.backend}, ${fit.schedule}`) + (is_disturbed(fit) ? " !" : "");
    return { name, colour: paint_of(`${fit.backend}, ${fit.schedule}`), dashed: true, band: true, points: ((chosen || {}).forecasts || []).map(at => {
      const words = `${name} with ${at.workers}: ${number(at.speedup, 1)} (95 % interval ${number(at.interval.low, 1)} to ${number(at.interval.high, 1)})`;
      return [at.workers, at.speedup, at.interval.low, at.interval.high, words];
    }) };
  }).filter(curve => curve.points.length);
  if (!curves.length) {
    const card = empty("No forecast: the times allow almost any speed-up with more workers. Six runs with each number of workers are needed, on a quiet machine.");
    card.append(serial);
    return card;
  }
  const most = Math.max(...curves.flatMap(curve => curve.points.map(point => point[0])));
  const drawn = chart(curves, { title: "Speed-up predicted by Amdahl's or the universal scalability law, with 95 % intervals", x: { label: "workers", log: 2, min: 1, max: most }, y: { label: "speed-up", log: 2, min: 1, max: most }, ideal: [[1, 1], [most, most]] });
  drawn.append(serial);
  return drawn;
}

function timelines() {
  const with_lines = scenes.filter(scene => (scene.timelines || []).length);
  if (!with_lines.length) return;
  const place = html("div"), options = with_lines.flatMap(scene => scene.timelines.map(line => [scene, line]));
  const advice = scenes.flatMap(scene => (scene.advice || []).map(text => from(scene, `${scene.name}: ${text}`)));
  const first = options.findIndex(([, line]) => line.workers > 1);
  const show = index => {
    const [scene, line] = options[index], costs = scene.recording && scene.recording.costs;
    const busy = line.claims.reduce((sum, c) => sum + c[4] - c[3], 0) / (line.workers * line.wall * 1e6);
    const parts = [card(`${workers(line.workers)}, ${line.claims.length} claims, ${time(line.wall)}, busy ${percent(busy)}`, gantt(line, costs))];
    if (scene.tiles.length) {
      const owner = [];
      line.claims.forEach(c => { for (let i = 0; i < c[2]; i++) owner[c[1] + i] = c[0]; });
      const key = html("div", { class: "key" });
      for (let worker = 0; worker < Math.min(line.workers, 16); worker++) key.append(html("span", {}, html("i", { style: `background:${worker_colour(worker)}` }), "worker " + worker));
      parts.push(html("div", { class: "card" }, html("h3", {}, "Which worker computed which tile"), map(scene.tiles, i => worker_colour(owner[i] ?? 0), i => `tile ${i}: worker ${owner[i]}`), key));
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
  section("Timelines", "One run of each backend and schedule. Scroll to zoom, drag to move, double-click to reset. Paler claims cost less per piece.",
    ...advice.map(text => html("p", { class: "advice" }, text)),
    html("div", { class: "bar" }, "Run", choice(options.map(([scene, line]) => from(scene, `${scene.name}: ${line.backend}, ${line.schedule}`)), show, first)), place);
  show(Math.max(0, first));
}

// Runs side by side, on one time axis.
function panels() {
  const all = all_of("panels");
  if (!all.length) return;
  const longest = Math.max(...all.map(panel => panel.line.wall)) * 1e6;
  const median = times => { const sorted = [...times].sort((a, b) => a - b), half = sorted.length >> 1; return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2; };
  const cards = all.map(panel => {
    const line = panel.line, owner = [], thing = panel.is_picture ? "tile" : "piece";
    line.claims.forEach(c => { for (let i = 0; i < c[2]; i++) owner[c[1] + i] = c[0]; });
    const busy = line.claims.reduce((sum, c) => sum + c[4] - c[3], 0) / (line.workers * line.wall * 1e6);
    const pieces = !panel.is_picture ? `${panel.tiles.length} pieces` : panel.tile === "whole" ? "one tile" : `tiles of ${panel.tile}`;
    const grown = panel.growth > 1 ? `, ${number(panel.growth, 1)} × the work` : "";
    return html("div", { class: "card" }, html("h3", {}, from(panel, `${line.schedule}: ${workers(line.workers)}, ${pieces}${grown}`)),
      map(panel.tiles, i => worker_colour(owner[i] ?? 0), i => `${thing} ${i}: worker ${owner[i]}`), gantt(line, null, longest),
      html("p", { class: "soft" }, `fastest ${time(line.wall)}, median ${time(median(panel.times))} of ${panel.times.length}; busy ${percent(busy)}; ${line.claims.length} claims`));
  });
  section("Side by side", `${[...new Set(all.map(panel => panel.scene))].join(", ")} with the backend ${all[0].line.backend}: who computed which tile, and when. The fastest run of each is shown, and all have one time axis. Scroll to zoom, drag to move, double-click to reset.`, grid(...cards));
  redraw();
}

function predictions() {
  const with_them = scenes.filter(scene => (scene.predictions || []).length);
  if (!with_them.length) return;
  const place = html("div"), options = with_them.flatMap(scene => [...new Set(scene.predictions.map(p => p.order))].map(order => [scene, order]));
  const show = index => {
    const [scene, order] = options[index];
    const mine = scene.predictions.filter(p => p.order === order), one = mine[0].runs.find(run => run[1].workers === 1)[1].makespan;
    const doubt = scene.errors;
    const checked = (scene.checks || []).length ? [card("Real runs and their predictions (the lower decile of the times of each)", table([
      ["backend", c => c.backend, true], ["schedule", c => c.schedule, true], ["workers", c => c.workers],
      ["measured", c => time(c.measured)], ["predicted", c => time(c.predicted)], ["error", c => error_of(c)],
    ], scene.checks))] : [];
    if (!doubt) {
      const why = checked.length ? "The real runs of threads are so far from their predictions that no prediction says anything: the machine was busy, or the scene is too small."
        : "No real runs of threads under these schedules show how far predictions may be wrong, so there are none.";
      place.replaceChildren(grid(html("div", { class: "card wide" }, html("p", { class: "soft" }, why)), ...checked));
      return;
    }
    const bound = { name: "no schedule can be faster", colour: "#8a929a", dashed: true, points: mine[0].runs.map(([, run]) => [run.workers, one / run.bound]) };
    const curves = mine.map((p, i) => ({ name: p.schedule, colour: colour(i), band: true, points: p.runs.map(([chunk, run]) => {
      const words = `${p.schedule}${chunk ? `, chunk ${chunk}` : ""}, ${run.workers} workers\n${time(run.makespan)}, speed-up ${number(one / run.makespan, 1)} (${number(one / run.makespan * (1 + doubt.low), 1)} to ${number(one / run.makespan * (1 + doubt.high), 1)})\nefficiency ${percent(run.efficiency)}, imbalance ${percent(run.imbalance)}, ${run.claims} claims`;
      return [run.workers, one / run.makespan, one / run.makespan * (1 + doubt.low), one / run.makespan * (1 + doubt.high), words];
    }) }));
    const parts = [chart([bound, ...curves], { title: "Predicted speed-up", x: { label: "workers", log: 2 }, y: { label: "speed-up", log: 2, min: 1 }, ideal: [[1, 1], [4096, 4096]] })];
    const efficiency = mine.map((p, i) => ({ name: p.schedule, colour: colour(i), band: true, points: p.runs.map(([, run]) => [run.workers, run.efficiency, run.efficiency * (1 + doubt.low), Math.min(1, run.efficiency * (1 + doubt.high))]) }));
    parts.push(chart(efficiency, { title: "Predicted efficiency", x: { label: "workers", log: 2 }, y: { label: "efficiency", min: 0, max: 1, format: v => Math.round(100 * v) + " %" } }));
    parts.push(...checked);
    place.replaceChildren(grid(...parts));
  };
  section("Predictions for other schedules and more workers", "Each piece's recorded cost, replayed event by event by the code that hands out pieces in real runs, with the measured costs of claims, of the shared counter and of starting. Bands show how far real runs of threads on this machine were from their predictions.",
    html("div", { class: "bar" }, "Scene and order", choice(options.map(([scene, order]) => from(scene, `${scene.name}, ${order}`)), show)), place);
  show(0);
}

const error_of = c => Math.abs(c.predicted / c.measured - 1) <= 1 ? percent(c.predicted / c.measured - 1) : `off by a factor of ${number(c.predicted / c.measured, 1)}`;

// Each file's overheads follow those of the one before.
const all_overheads = () => sources.forEach((source, at) => source.results.overhead && overheads(source.results.overhead, at));

function overheads(found, at) {
  const least = times => times.length ? Math.min(...times) : undefined;
  const name = g => `${g.backend}, ${g.schedule}`, busy = item => item.disturbed ? " !" : "";
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
  section(from({ source: at }, "Overhead of backends"), "Efficiency by length of a piece: the work done, relative to the most that any backend did in the same time with as many workers. The length at which a curve crosses 50 % is Task Bench's METG. Runs of all backends take turns; what other programs disturbed is marked with ! or withheld.",
    html("div", { class: "bar" }, "Curves", choice(choices.map(([name]) => name), show)), place, html("p"), grid(
      card("Costs, the minimum of all runs", table([
        ["backend", c => c.backend, true], ["schedule", c => c.schedule, true], ["workers", c => c.workers],
        ["empty piece", c => time(least(c.piece)) + busy(c)], ["its processor time", c => time(least(c.processor))],
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
  if (!grains || grains[level] === null) return grains && grains.disturbed ? "withheld: busy" : "never";
  return time(grains[level]) + (grains.disturbed ? " !" : "");
}

function about() {
  section("Machine and settings", "Where and how these figures were measured.", ...sources.map(about_one));
}

function about_one(source, at) {
  const data = source.results, machine = data.machine || {};
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
  const text = JSON.stringify(data), link = html("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: source.file || "fractal-bench.json" }, "save as a file");
  const raw = html("pre"), details = html("details", { ontoggle: () => { raw.textContent = details.open ? JSON.stringify(data, null, 1).slice(0, 400000) : ""; } }, html("summary", {}, "Raw data"), raw);
  return grid(
    html("div", { class: "card" }, html("h3", {}, from({ source: at }, "Machine")), list(computer)),
    html("div", { class: "card" }, html("h3", {}, "Settings"), list(Object.entries(data.settings || {})), html("h3", {}, "During the measurement"), list(meanwhile)),
    card("Everything that was measured", html("p", {}, link), details));
}

document.body.append(tip);
document.documentElement.classList.toggle("dark", location.hash === "#dark" || location.hash !== "#light" && matchMedia("(prefers-color-scheme: dark)").matches);
for (const part of [top_of_page, panels, scaling, timelines, predictions, all_overheads, about]) part();
document.documentElement.dataset.ready = "yes";
