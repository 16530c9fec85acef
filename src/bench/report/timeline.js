"use strict";
// Timelines, zoomed with the wheel and moved by dragging; and maps of the picture's tiles.

function canvas(height, draw) {
  const element = html("canvas", { height });
  element.redraw = () => {
    const ratio = devicePixelRatio || 1, width = element.clientWidth || 1100;
    const tall = typeof height === "function" ? height(width) : height;
    element.width = width * ratio;
    element.height = tall * ratio;
    element.style.height = tall + "px";
    const context = element.getContext("2d");
    context.scale(ratio, ratio);
    draw(context, width, tall);
  };
  addEventListener("resize", () => element.redraw());
  return element;
}

const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// `span` is where the axis ends, in microseconds, for timelines that are compared.
function gantt(timeline, costs, span) {
  const row = timeline.workers > 24 ? 14 : 26, top = 4, foot = 26, left = 76;
  const wall = span || timeline.wall * 1e6;
  let from = 0, to = wall;
  const costliest = Math.max(...timeline.claims.map(c => (c[4] - c[3]) / c[2]), 1e-9);
  const x = (at, width) => left + (at - from) / (to - from) * (width - left - 8);
  const view = canvas(top + timeline.workers * row + foot, (context, width, height) => {
    context.font = "12px system-ui, sans-serif";
    for (let worker = 0; worker < timeline.workers; worker++) {
      context.fillStyle = style("--soft");
      context.textAlign = "right";
      if (timeline.workers <= 24 || worker % 8 === 0) context.fillText("worker " + worker, left - 8, top + worker * row + row / 2 + 4);
      context.fillStyle = style("--grid");
      context.fillRect(left, top + worker * row + 1, width - left - 8, row - 2);
    }
    for (const [worker, first, count, began, ended] of timeline.claims) {
      if (ended < from || began > to) continue;
      const a = Math.max(left, x(began, width)), b = Math.min(width - 8, x(ended, width));
      context.fillStyle = worker_colour(worker);
      context.globalAlpha = 0.35 + 0.65 * Math.sqrt((ended - began) / count / costliest);
      context.fillRect(a, top + worker * row + 2, Math.max(0.6, b - a - (b - a > 4 ? 1 : 0)), row - 4);
    }
    context.globalAlpha = 1;
    context.fillStyle = style("--soft");
    context.textAlign = "center";
    const scale = linear(from, to, left, width - 8);
    for (const at of thin(scale)) context.fillText(at ? time(at * 1e-6) : "0", scale(at), height - 8);
  });
  const at = event => {
    const box = view.getBoundingClientRect();
    const part = (event.clientX - box.left - left) / (box.width - left - 8);
    return [from + part * (to - from), Math.floor((event.clientY - box.top - top) / row)];
  };
  view.addEventListener("wheel", event => {
    event.preventDefault();
    const [centre] = at(event), factor = event.deltaY > 0 ? 1.25 : 0.8;
    from = Math.max(0, centre + (from - centre) * factor);
    to = Math.min(wall, centre + (to - centre) * factor);
    view.redraw();
  }, { passive: false });
  let held = null;
  view.addEventListener("mousedown", event => { held = [event.clientX, from, to]; });
  addEventListener("mouseup", () => { held = null; });
  view.addEventListener("dblclick", () => { from = 0; to = wall; view.redraw(); });
  view.addEventListener("mousemove", event => {
    if (held) {
      const moved = (held[0] - event.clientX) / view.clientWidth * (held[2] - held[1]);
      const shift = Math.max(-held[1], Math.min(wall - held[2], moved));
      [from, to] = [held[1] + shift, held[2] + shift];
      view.redraw();
    }
    const [when, who] = at(event);
    const claim = timeline.claims.find(c => c[0] === who && c[3] <= when && when <= c[4]);
    if (!claim) return hideTip();
    const pieces = claim[2] > 1 ? `pieces ${claim[1]} to ${claim[1] + claim[2] - 1}` : `piece ${claim[1]}`;
    const alone = costs ? `, ${time(costs.slice(claim[1], claim[1] + claim[2]).reduce((a, b) => a + b, 0))} one by one` : "";
    showTip(event, `worker ${who}, ${pieces}\nfrom ${time(claim[3] * 1e-6)}, for ${time((claim[4] - claim[3]) * 1e-6)}${alone}`);
  });
  view.addEventListener("mouseleave", hideTip);
  return view;
}

// The picture's tiles, each painted by its number.
function map(tiles, paint, words) {
  const width = Math.max(...tiles.map(t => t[0] + t[2])), height = Math.max(...tiles.map(t => t[1] + t[3]));
  const view = canvas(w => Math.round(w * height / width), (context, w, h) => {
    tiles.forEach((t, index) => {
      const box = [t[0] / width * w, t[1] / height * h, t[2] / width * w, t[3] / height * h];
      context.fillStyle = paint(index);
      context.fillRect(box[0], box[1], box[2] - 0.6, box[3] - 0.6);
    });
  });
  view.addEventListener("mousemove", event => {
    const box = view.getBoundingClientRect();
    const px = (event.clientX - box.left) / box.width * width, py = (event.clientY - box.top) / box.height * height;
    const index = tiles.findIndex(t => px >= t[0] && px < t[0] + t[2] && py >= t[1] && py < t[1] + t[3]);
    if (index >= 0) showTip(event, words(index)); else hideTip();
  });
  view.addEventListener("mouseleave", hideTip);
  return view;
}

// From dark blue through red to yellow, by the logarithm of the cost.
function heat(part) {
  const stops = [[22, 27, 66], [92, 30, 118], [186, 54, 85], [245, 125, 21], [252, 240, 150]];
  const place = Math.max(0, Math.min(1, part)) * (stops.length - 1), at = Math.min(stops.length - 2, Math.floor(place));
  const mix = stops[at].map((value, i) => Math.round(value + (stops[at + 1][i] - value) * (place - at)));
  return `rgb(${mix})`;
}
