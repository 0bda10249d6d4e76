// Curves of several runs over each other, one chart a metric; drawn by uPlot (static/vendor).

const section = document.getElementById("curves");
const place = section.querySelector(".curves");
const smoothing = section.querySelector("#smoothing");
const logarithmic = section.querySelector("#logarithmic");
const REFRESH = 5000;
const HEIGHT = 220;
const HUES = [215, 25, 145, 300, 85, 0, 180, 260];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]]; // of the first runs that have all colours, and so on

const drawn = new Map(); // by metric: { figure, chart, looks, fill }
let runs = [];

/** A colour of the style sheets as a canvas takes it. */
function ink(name) {
  place.style.color = `var(${name})`;
  const found = getComputedStyle(place).color;
  place.style.color = "";
  return found;
}

/** A colour that stands out on either paper. */
function colour(index, alpha = 1) {
  const light = getComputedStyle(document.body).colorScheme;
  const isDark = light === "dark" || (light !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  return `hsl(${HUES[index % HUES.length]} 65% ${isDark ? 68 : 38}% / ${alpha})`;
}

/** Exponential moving average, free of the bias towards its start. */
export function smoothed(values, weight) {
  let sum = 0;
  let total = 0;
  return values.map((value) => {
    if (value == null) return null;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

/** Runs that reported a metric, on the steps that any of them reported. */
export function joined(found, name) {
  const own = found.filter((run) => name in run.metrics);
  const steps = [...new Set(own.flatMap((run) => run.metrics[name][0]))].sort((a, b) => a - b);
  const columns = own.map((run) => {
    const known = new Map(run.metrics[name][0].map((step, at) => [step, run.metrics[name][1][at]]));
    return steps.map((step) => known.get(step) ?? null);
  });
  return { own, steps, columns };
}

const short = (value) => (value == null ? "" : String(Number(value.toPrecision(3))));
const value = (_, found) => (found == null ? "–" : short(found));
const room = (_, labels) => 20 + 8 * Math.max(4, ...(labels ?? []).map((label) => label.length)); // pixels

/** What a chart of a metric shows now; `looks` says all that a drawn one cannot change. */
function contentOf(name) {
  const { own, steps, columns } = joined(runs, name);
  const weight = Number(smoothing.value);
  const canBeLog = columns.flat().every((value) => value == null || value > 0);
  const isLog = logarithmic.checked && canBeLog;
  const data = [steps];
  const series = [{ label: section.dataset.step }];
  own.forEach((run, at) => {
    const index = runs.indexOf(run);
    const label = `${section.dataset.run} ${run.run}`;
    if (weight) {
      series.push({ label, value, stroke: colour(index, 0.35), dash: [4, 4], width: 1, spanGaps: true, points: { show: false } });
      data.push(columns[at]);
    }
    const dash = DASHES[Math.floor(index / HUES.length) % DASHES.length];
    series.push({ label: weight ? `${label} (${section.dataset.smoothed})` : label, value, stroke: colour(index), dash, width: 2, spanGaps: true, points: { show: steps.length < 2 } });
    data.push(weight ? smoothed(columns[at], weight) : columns[at]);
  });
  const note = logarithmic.checked && !canBeLog ? section.dataset.notLog : "";
  const inks = [ink("--quiet"), ink("--hairline")];
  return { own, steps, columns, data, series, isLog, note, inks, looks: JSON.stringify([series, isLog, note, inks]) };
}

/** The steps that somebody looks closer at; null where all are shown. */
function zoomOf(chart) {
  const { min, max } = chart.scales.x;
  const steps = chart.data[0];
  return min > steps[0] || max < steps.at(-1) ? { min, max } : null;
}

function chartOf(title, content) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  figure.append(caption);
  place.append(figure);
  const [quiet, hairline] = content.inks;
  const axis = { stroke: quiet, grid: { stroke: hairline, width: 1 }, ticks: { stroke: hairline } };
  const chart = new uPlot(
    {
      width: figure.clientWidth,
      height: HEIGHT,
      scales: { x: { time: false }, y: { distr: content.isLog ? 3 : 1 } },
      axes: [axis, { ...axis, size: room, values: (_, splits) => splits.map(short) }],
      cursor: { sync: { key: "runs" } },
      series: content.series,
    },
    content.data,
    figure,
  );
  chart.root.querySelector("canvas").setAttribute("aria-hidden", "true");
  if (content.note) {
    const note = document.createElement("p");
    note.className = "help";
    note.textContent = content.note;
    figure.append(note);
  }
  const { details, fill } = tableOf(content);
  figure.append(details);
  return { figure, chart, fill, looks: content.looks };
}

/** The same figures for who cannot see a chart. */
function tableOf(first) {
  let content = first;
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = section.dataset.table;
  const table = document.createElement("table");
  const row = (cells, kind) => {
    const line = table.insertRow();
    cells.forEach((cell) => {
      const one = document.createElement(kind);
      one.textContent = cell;
      line.append(one);
    });
  };
  const write = () => {
    table.replaceChildren();
    if (!details.open) return;
    const { own, steps, columns } = content;
    row([section.dataset.step, ...own.map((run) => `${section.dataset.run} ${run.run}`)], "th");
    steps.forEach((step, at) => {
      row([step, ...columns.map((column) => (column[at] == null ? "–" : short(column[at])))], "td");
    });
  };
  details.append(summary);
  details.addEventListener("toggle", write);
  const scroll = document.createElement("div");
  scroll.className = "table-scroll";
  scroll.tabIndex = 0;
  scroll.append(table);
  details.append(scroll);
  return { details, fill: (newer) => { content = newer; write(); } };
}

/** New figures go into the chart that is there: nobody who looks closer, or at a point, is sent back. */
function show(name, title) {
  const content = contentOf(name);
  const known = drawn.get(name);
  const zoom = known ? zoomOf(known.chart) : null;
  let now = known;
  if (known?.looks === content.looks) {
    known.chart.setData(content.data, !zoom);
    known.fill(content);
  } else {
    now = chartOf(title, content);
    if (known) {
      now.figure.querySelector("details").open = known.figure.querySelector("details").open;
      known.chart.destroy();
      known.figure.replaceWith(now.figure);
    }
    drawn.set(name, now);
  }
  if (zoom) now.chart.setScale("x", zoom);
}

function draw() {
  const names = new Map(runs.flatMap((run) => Object.keys(run.metrics).map((name) => [name, run.names[name]])));
  if (!names.size) place.textContent = section.dataset.none;
  else if (!drawn.size) place.replaceChildren();
  names.forEach((title, name) => show(name, title));
}

async function refresh() {
  const response = await fetch(section.dataset.source).catch(() => null);
  if (response?.ok) {
    const found = (await response.json()).runs;
    if (JSON.stringify(found) !== JSON.stringify(runs)) {
      runs = found;
      draw();
    }
  }
  if (!response?.ok || runs.some((run) => run.active)) setTimeout(refresh, REFRESH);
}

section.querySelectorAll(":scope > [hidden]").forEach((each) => { each.hidden = false; });
smoothing.addEventListener("input", draw);
logarithmic.addEventListener("change", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
addEventListener("resize", () => drawn.forEach(({ figure, chart }) => chart.setSize({ width: figure.clientWidth, height: HEIGHT })));
refresh();
