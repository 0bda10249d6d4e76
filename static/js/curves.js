// Curves of several runs over each other, one chart a metric; drawn by uPlot (static/vendor).

const section = document.getElementById("curves");
const place = section.querySelector(".curves");
const smoothing = section.querySelector("#smoothing");
const logarithmic = section.querySelector("#logarithmic");
const REFRESH = 5000;
const HEIGHT = 220;
const HUES = [215, 25, 145, 300, 85, 0, 180, 260];

let charts = [];
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

function chartOf(name, title) {
  const { own, steps, columns } = joined(runs, name);
  const weight = Number(smoothing.value);
  const isLog = logarithmic.checked && columns.flat().every((value) => value == null || value > 0);
  const data = [steps];
  const series = [{ label: section.dataset.step }];
  own.forEach((run, at) => {
    const index = runs.indexOf(run);
    const label = `${section.dataset.run} ${run.run}`;
    if (weight) {
      series.push({ label, stroke: colour(index, 0.35), dash: [4, 4], width: 1, spanGaps: true, points: { show: false } });
      data.push(columns[at]);
    }
    series.push({ label, stroke: colour(index), width: 2, spanGaps: true, points: { show: steps.length < 2 } });
    data.push(weight ? smoothed(columns[at], weight) : columns[at]);
  });
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  figure.append(caption);
  place.append(figure);
  const axis = { stroke: ink("--quiet"), grid: { stroke: ink("--hairline"), width: 1 }, ticks: { stroke: ink("--hairline") } };
  const chart = new uPlot(
    {
      width: figure.clientWidth,
      height: HEIGHT,
      scales: { x: { time: false }, y: { distr: isLog ? 3 : 1 } },
      axes: [axis, { ...axis, size: 60, values: (_, splits) => splits.map(short) }],
      cursor: { sync: { key: "runs" } },
      series,
    },
    data,
    figure,
  );
  chart.root.querySelector("canvas").setAttribute("aria-hidden", "true");
  figure.append(tableOf(own, steps, columns));
  charts.push(chart);
}

/** The same figures for who cannot see a chart. */
function tableOf(own, steps, columns) {
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
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (!details.open || table.rows.length) return;
    row([section.dataset.step, ...own.map((run) => `${section.dataset.run} ${run.run}`)], "th");
    steps.forEach((step, at) => {
      row([step, ...columns.map((column) => (column[at] == null ? "–" : short(column[at])))], "td");
    });
  });
  const scroll = document.createElement("div");
  scroll.className = "table-scroll";
  scroll.tabIndex = 0;
  scroll.append(table);
  details.append(scroll);
  return details;
}

function draw() {
  const open = [...place.querySelectorAll("details")].map((each) => each.open);
  charts.forEach((chart) => chart.destroy());
  charts = [];
  place.replaceChildren();
  const names = new Map(runs.flatMap((run) => Object.keys(run.metrics).map((name) => [name, run.names[name]])));
  names.forEach((title, name) => chartOf(name, title));
  if (!names.size) place.textContent = section.dataset.none;
  place.querySelectorAll("details").forEach((each, at) => { each.open = Boolean(open[at]); });
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
addEventListener("resize", () => charts.forEach((chart) => chart.setSize({ width: chart.root.parentElement.clientWidth, height: HEIGHT })));
refresh();
