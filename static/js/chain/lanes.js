// What is seen of the versions: the text that they have in common, then each one's own, and its bars.
import { commonLength } from "./tree.js";
import { chip, element, runs, shown } from "./tokens.js";

const language = document.documentElement.lang;
const share = (value) => {
  if (value > 0 && value < 0.001) return "<0.1 %";
  return `${(100 * value).toLocaleString(language, { maximumFractionDigits: value < 0.1 ? 1 : 0 })} %`;
};
const nats = (value) => value.toLocaleString(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

function tokenButton(node, others, say, goTo) {
  const moved = others.map((lane) => node.parent.divergences.get(lane.version)).filter((each) => each !== undefined);
  const { text } = shown(node.token);
  const button = chip(node.token, "button", { type: "button", title: say("goBackTo", { token: text }) });
  if (moved.length) button.append(element("small", { className: "nats", title: say("nats") }, moved.map(nats).join(" · ")));
  button.addEventListener("click", () => goTo(node));
  return button;
}

/** The tokens of these nodes; those that are whole characters only together stand in one frame. */
function chain(nodes, others, say, goTo) {
  const list = element("div", { className: "tokens" });
  for (const { start, tokens, whole } of runs(nodes.map((node) => node.token))) {
    const buttons = tokens.map((_, i) => tokenButton(nodes[start + i], others, say, goTo));
    if (whole) list.append(element("span", { className: "whole" }, ...buttons, element("b", {}, whole)));
    else list.append(...buttons);
  }
  return list;
}

function bar({ token, share: drawn, plain }, { isChosen, isRest, label, choose }) {
  const track = element("span", { className: "track" });
  for (const [name, value] of [["plain", plain], ["drawn", drawn]]) {
    const part = element("i", { className: name });
    part.style.inlineSize = `${100 * value}%`;
    track.append(part);
  }
  const parts = [isRest ? element("span", { className: "others" }, label) : chip(token), track, element("span", { className: "share" }, share(drawn))];
  if (isRest) return element("li", {}, element("span", { className: "bar rest" }, ...parts));
  const button = element("button", { type: "button", className: "bar" }, ...parts);
  button.classList.toggle("chosen", isChosen);
  button.classList.toggle("left-out", drawn === 0);
  if (isChosen) button.append(element("span", { className: "visually-hidden" }, label));
  button.addEventListener("click", () => choose(token));
  return element("li", {}, button);
}

function bars(look, say, choose) {
  const list = element("ol", { className: "bars" });
  for (const each of look.bars) {
    const isChosen = each.token.id === look.chosen.id;
    list.append(bar(each, { isChosen, label: say("drawn"), choose }));
  }
  list.append(bar(look.rest, { isRest: true, label: say("others", { count: look.others.toLocaleString(language) }) }));
  if (!look.bars.some((each) => each.token.id === look.chosen.id)) {
    list.append(element("li", { className: "drawn-rest" }, say("drawnOther"), " ", chip(look.chosen)));
  }
  return list;
}

function figures(lane, first, say) {
  const list = element("p", { className: "figures-line quiet" });
  if (lane !== first) {
    const along = [lane.node, ...lane.node.path.map((node) => node.parent)];
    const known = along.map((node) => node.divergences.get(lane.version)).filter((each) => each !== undefined);
    const sum = nats(known.reduce((a, b) => a + b, 0));
    const here = lane.node.divergences.get(lane.version);
    list.append(element("span", {}, here === undefined ? say("divergenceSum", { sum }) : say("divergence", { now: nats(here), sum })));
  }
  const score = lane.node.scores.get(lane.version);
  if (typeof score === "string") list.append(element("span", {}, score));
  else if (typeof score === "number") {
    const signed = score.toLocaleString(language, { signDisplay: "always", maximumFractionDigits: 2, minimumFractionDigits: 2 });
    list.append(element("span", { className: "reward", title: say("scoreMeans") }, say("score", { score: signed })));
  }
  return list;
}

function laneOf(lane, lanes, start, barsBefore, { say, choose, goTo }) {
  const [first] = lanes;
  const nodes = lane.node.path.slice(start);
  const heading = element("h3", {}, lane.name);
  const card = element("article", { className: "lane", dataset: { version: lane.version } }, heading, figures(lane, first, say));
  if (nodes.length) card.append(chain(nodes, lane === first ? [] : [lane], say, goTo));
  const look = lane.node.looks.get(lane.version);
  if (lane.node.hasEnded) card.append(element("p", { className: "ended" }, say("ended")));
  else if (look) card.append(bars(look, say, (token) => choose(lane, token)));
  else card.append(barsBefore);
  return card;
}

let focused = null; // the bar, by its place, that had the focus, until what is in its place has it

/** Everything anew; the bar that had the focus, or the one that stands in its place, has it again. */
export function showLanes({ lanes, common, columns, say, choose, goTo }) {
  rememberFocus(columns);
  const together = lanes.length > 1 ? commonLength(lanes.map((lane) => lane.node)) : lanes[0].node.path.length;
  const nodes = lanes[0].node.path.slice(0, together);
  const haveParted = lanes.some((lane) => lane.node.path.length > together);
  common.hidden = !nodes.length && !haveParted;
  const words = lanes.length > 1 ? element("p", { className: "quiet" }, say(haveParted ? "partHere" : "together")) : null;
  common.replaceChildren(chain(nodes, lanes.slice(1), say, goTo));
  if (words) common.append(words);
  // Until the next bars are here the last ones stay, so that nothing jumps.
  const before = [...columns.children].map((each) => each.querySelector(".bars"));
  for (const each of before) each?.setAttribute("aria-busy", "true");
  const cards = lanes.map((lane, i) => laneOf(lane, lanes, together, before[i] ?? "", { say, choose, goTo }));
  columns.replaceChildren(...cards);
  giveFocusBack(columns, lanes);
}

function rememberFocus(columns) {
  const at = document.activeElement;
  const lane = at?.closest(".lane");
  if (lane && columns.contains(at)) {
    const index = [...lane.querySelectorAll(".bar")].indexOf(at);
    focused = { place: [...columns.children].indexOf(lane), index: Math.max(index, 0) };
  } else if (at !== document.body) focused = null;
}

function giveFocusBack(columns, lanes) {
  if (!focused) return;
  const bar = columns.children[focused.place]?.querySelectorAll("button.bar")[focused.index];
  const step = lanes[focused.place]?.node.hasEnded ? document.getElementById("step") : null;
  (bar ?? step)?.focus({ preventScroll: true });
}
