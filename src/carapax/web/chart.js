// A chart of stacked bars, one for each day, as SVG that follows its width; and a single bar that fills up.

import { h, onFrame, svg } from "./dom.js";

const HEIGHT = 220;
const EDGE = { top: 12, right: 16, bottom: 26, left: 58 };
const LABEL_PX = 64;
const WIDEST_BAR = 46;

/** A part of a whole as a bar, of which `label` tells what it stands for. */
export function gauge(share, label) {
  const now = Math.round(share * 100);
  const part = (name, width) => svg("rect", { width, height: 8, class: name });
  const drawn = svg("svg", { height: 8, "aria-hidden": "true" }, part("track", "100%"), part("filled", `${now}%`));
  const values = { "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": now, "aria-valuetext": label };
  return h("div", { class: "gauge", role: "meter", "aria-label": label, ...values }, drawn);
}

/** Round steps from nothing to at least `most`: 1, 2 or 5 times a power of ten, at most five of them. */
export function steps(most) {
  if (!(most > 0)) return [0, 1];
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= rough * (1 - 1e-9));
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, index) => index * step);
}

/** `bars` are `{label, tip, parts: [{value, tone}]}`; `tone` is the number of a colour. `format` writes values. */
export class BarChart {
  #bars = [];
  #width = 0;

  constructor(format) {
    this.format = format;
    this.element = h("div", { class: "bars" });
    this.redraw = onFrame(() => this.#draw());
    this.resize = new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width === this.#width) return;
      this.#width = contentRect.width;
      this.redraw();
    });
    this.resize.observe(this.element);
  }

  /** `title` is what is told to those who do not see it. */
  show(bars, title) {
    this.#bars = bars;
    this.title = title;
    this.redraw();
  }

  #draw() {
    if (!this.#width) return;
    const bars = this.#bars;
    const most = Math.max(0, ...bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0)));
    const ticks = steps(most);
    const inner = { width: this.#width - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom };
    const y = (value) => EDGE.top + inner.height * (1 - value / ticks.at(-1));
    const slot = inner.width / bars.length;
    const size = { viewBox: `0 0 ${this.#width} ${HEIGHT}`, width: this.#width, height: HEIGHT };
    const about = { ...size, role: "img", "aria-label": this.title };
    const drawn = svg("svg", about, ticks.map((tick) => this.#tick(tick, y(tick))));
    const every = Math.ceil(LABEL_PX / slot);
    bars.forEach((bar, index) => {
      const middle = EDGE.left + slot * (index + 0.5);
      drawn.append(this.#bar(bar, middle, Math.max(1, Math.min(WIDEST_BAR, slot * 0.72)), slot, y));
      const isLabelled = (bars.length - 1 - index) % every === 0 && middle > EDGE.left + 12;
      const place = { x: middle, y: HEIGHT - 8, class: "day", "text-anchor": "middle" };
      if (isLabelled) drawn.append(svg("text", place, bar.label));
    });
    this.element.replaceChildren(drawn);
  }

  #tick(value, y) {
    const across = { x1: EDGE.left, x2: this.#width - EDGE.right, y1: y, y2: y, class: value ? "grid" : "axis" };
    return [svg("line", across), svg("text", { x: EDGE.left - 8, y: y + 4, "text-anchor": "end" }, this.format(value))];
  }

  #bar({ parts, tip }, middle, width, slot, y) {
    const rect = (x, y, width, height, tone) => svg("rect", { x: x - width / 2, y, width, height, class: tone });
    const group = svg("g", { class: "bar" }, svg("title", {}, tip));
    group.append(rect(middle, EDGE.top, slot, HEIGHT - EDGE.top - EDGE.bottom, "slot"));
    let below = 0;
    for (const { value, tone } of parts) {
      const height = y(below) - y(below + value);
      if (height > 0) group.append(rect(middle, y(below + value), width, height, `tone-${tone}`));
      below += value;
    }
    return group;
  }

  close() { this.resize.disconnect(); }
}
