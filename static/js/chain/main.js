// The word chain: asked step by step, played, taken back, branched, with up to three versions.
import { announce, wordsOf } from "../desk/words.js";
import { ask, Problem } from "./asking.js";
import { showBranches } from "./branches.js";
import { startKeys } from "./keys.js";
import { showLanes } from "./lanes.js";
import { startRace } from "./race.js";
import { startTable } from "./table.js";
import { shown } from "./tokens.js";
import { Node } from "./tree.js";

const form = document.getElementById("chain");
const say = wordsOf(form);
const by = (id) => document.getElementById(id);
const state = by("state");
const SLOWEST = 250; // milliseconds a step while it plays, so that one can follow

const showTable = startTable({ details: by("table"), body: by("table-body"), link: by("table-csv"), say });

let root = new Node();
let lanes = [];
let looking = 0; // the number of the newest question: older ones count no more
let isPlaying = false;

function wait(text) {
  state.hidden = !text;
  state.className = "note";
  state.textContent = text;
}

function fail(error) {
  if (!(error instanceof Problem)) throw error;
  isPlaying = false;
  wait(error.message);
  state.className = "note error";
}

function show() {
  showLanes({ lanes, common: by("common"), columns: by("lanes"), say, choose, goTo });
  showBranches({ root, lanes, list: by("branches"), say, goTo });
  showTable(lanes);
  by("play").setAttribute("aria-pressed", String(isPlaying));
  by("play").textContent = say(isPlaying ? "pause" : "play");
  by("back").disabled = lanes.every((lane) => !lane.node.parent);
}

/** Asks what is not known yet of the texts at which the versions are; whether all of it is known then. */
async function look() {
  const mine = ++looking;
  const isStale = () => mine !== looking;
  try {
    for (const node of new Set(lanes.map((lane) => lane.node))) {
      const here = lanes.filter((lane) => lane.node === node);
      if (node.hasEnded || here.every((lane) => node.looks.has(lane.version))) continue;
      const versions = [...new Set([lanes[0].version, ...here.map((lane) => lane.version)])];
      const tokens = node.tokens.map((token) => token.id).join();
      const answer = await ask({ form, say, wait, isStale, fields: { way: "step", versions: versions.join(), tokens } });
      if (!answer) return false;
      versions.forEach((version, i) => {
        node.looks.set(version, answer.looks[i]);
        node.divergences.set(version, answer.looks[i].divergence);
      });
    }
    wait("");
  } catch (error) {
    fail(error);
    return false;
  } finally {
    if (!isStale()) show();
  }
  if (!isPlaying) judge(mine);
  return true;
}

/** What the reward model thinks of each text, once the versions rest at it. */
async function judge(mine) {
  if (!form.dataset.reward || form.elements.is_chat.value !== "on") return;
  const isStale = () => mine !== looking;
  for (const lane of lanes) {
    const { node, version } = lane;
    if (!node.parent || node.scores.has(version)) continue;
    const tell = (text) => {
      node.scores.set(version, text);
      show();
    };
    try {
      node.scores.set(version, "…");
      const tokens = node.tokens.map((token) => token.id).join();
      const answer = await ask({ form, say, wait: tell, isStale, fields: { way: "score", versions: version, tokens } });
      if (!answer) return void node.scores.delete(version);
      tell(answer.score);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      tell(error.message);
    }
  }
}

const chosenAt = (lane) => lane.node.looks.get(lane.version)?.chosen;

/** Each version appends the token that it drew; whether one could. */
async function step() {
  if (lanes.some((lane) => !lane.node.hasEnded && !chosenAt(lane)) && !(await look())) return false;
  const going = lanes.filter((lane) => !lane.node.hasEnded && chosenAt(lane));
  if (!going.length) return false;
  for (const lane of going) lane.node = lane.node.child(chosenAt(lane));
  if (!isPlaying) announce(say("appended", { token: going.map((lane) => shown(lane.node.token).text).join(", ") }));
  show();
  return look();
}

function rest() {
  isPlaying = false;
  show();
  judge(looking);
}

async function play() {
  if (isPlaying) return rest();
  isPlaying = true;
  show();
  while (isPlaying) {
    const began = performance.now();
    if (!(await step()) || lanes.every((lane) => lane.node.hasEnded)) break;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, SLOWEST - performance.now() + began)));
  }
  if (isPlaying) rest();
}

function back() {
  isPlaying = false;
  const deepest = Math.max(...lanes.map((lane) => lane.node.path.length));
  if (!deepest) return;
  for (const lane of lanes) if (lane.node.path.length === deepest) lane.node = lane.node.parent;
  show();
  look();
}

/** Another token than the one that was drawn: for every version that is at the same text. */
function choose(lane, token) {
  if (!chosenAt(lane)) return; // these bars are the last ones
  isPlaying = false;
  const here = lane.node;
  for (const each of lanes) if (each.node === here) each.node = here.child(token);
  show();
  look();
}

function goTo(node) {
  isPlaying = false;
  for (const lane of lanes) lane.node = node;
  show();
  look();
}

function begin() {
  isPlaying = false;
  const chosen = new Map();
  for (const select of form.querySelectorAll("select.version")) {
    if (select.value && !chosen.has(select.value)) chosen.set(select.value, select.selectedOptions[0].text);
  }
  root = new Node();
  lanes = [...chosen].map(([version, name]) => ({ version, name, node: root }));
  race.forget();
  show();
  look();
}

/** Under other settings other tokens are drawn; what was written stays. */
function drawAnew() {
  for (const node of root.all()) node.looks.clear();
  look();
}

const seed = form.elements.seed;
const newSeed = () => {
  seed.value = (Number(seed.value) + 1) % 2 ** 31;
  drawAnew();
};
const race = startRace({ form, say, wait, fail, version: () => lanes[0].version });

form.addEventListener("submit", (event) => {
  event.preventDefault();
  begin();
});
form.addEventListener("change", ({ target }) => {
  if (target.matches("#prompt, select.version, [name=is_chat]")) begin();
});
form.addEventListener("input", ({ target }) => {
  if (target.closest(".numbers") && target.value && target.checkValidity()) drawAnew();
});
for (const example of form.querySelectorAll(".example")) {
  example.addEventListener("click", () => {
    form.elements.prompt.value = example.dataset.prompt;
    form.elements.is_chat.value = example.dataset.chat;
    begin();
  });
}
const actions = { step, play, back, "seed-anew": newSeed };
for (const [id, act] of Object.entries(actions)) by(id).addEventListener("click", act);
startKeys({
  step,
  play,
  back,
  newSeed,
  chooseNth: (n) => {
    const bar = lanes[0].node.looks.get(lanes[0].version)?.bars[n - 1];
    if (bar && !lanes[0].node.hasEnded) choose(lanes[0], bar.token);
  },
});
begin();
