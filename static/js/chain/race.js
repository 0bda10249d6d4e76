// One token at a time against all at once: pass by pass, until both have written.
import { ask } from "./asking.js";
import { chip, element, textOf } from "./tokens.js";

const GREEDY = { temperature: 0, top_k: 0, top_p: 1 };
const BETWEEN = 350; // milliseconds, so that one can follow

export function startRace({ form, say, wait, fail, version }) {
  const [ways, verdict, length] = ["ways", "verdict", "length"].map((id) => document.getElementById(id));
  const [pass, play, again] = ["pass", "race", "again"].map((id) => document.getElementById(id));
  let race = null;
  let isPlaying = false;

  const isOver = () => race !== null && race.isWritten && race.settled === race.guess.length;

  function begin() {
    isPlaying = false;
    const count = Math.min(64, Math.max(2, Math.round(Number(length.value)) || 24));
    race = { written: [], isWritten: false, sweeps: [], guess: Array(count).fill(null), settled: 0, count, version: version() };
    show();
  }

  const asked = (mine, fields) =>
    ask({ form, say, wait, isStale: () => race !== mine, fields: { versions: mine.version, ...fields } });

  async function writeOne(mine) {
    if (mine.isWritten) return;
    const tokens = mine.written.map((token) => token.id).join();
    const answer = await asked(mine, { ...GREEDY, way: "step", tokens });
    if (!answer) return;
    const [{ chosen }] = answer.looks;
    mine.written.push(chosen);
    mine.isWritten = chosen.ends || mine.written.length === mine.count;
  }

  async function guessAll(mine) {
    if (mine.settled === mine.guess.length) return;
    const tokens = mine.guess.map((token) => token?.id ?? -1).join();
    const answer = await asked(mine, { way: "sweep", tokens, settled: mine.settled });
    if (!answer) return;
    const changed = answer.guess.map((token, i) => token.id !== mine.guess[i]?.id);
    mine.sweeps.push({ guess: answer.guess, settled: answer.settled, changed });
    [mine.guess, mine.settled] = [answer.guess, answer.settled];
  }

  let isUnderWay = false;
  async function next() {
    if (isUnderWay || isOver()) return;
    if (!race) begin();
    const mine = race;
    isUnderWay = true;
    try {
      await writeOne(mine);
      await guessAll(mine);
      wait("");
    } catch (error) {
      isPlaying = false;
      fail(error);
    } finally {
      isUnderWay = false;
    }
    if (race === mine) show();
  }

  async function playOn() {
    const goesOn = !isPlaying;
    if (goesOn && (!race || isOver())) begin();
    isPlaying = goesOn;
    show();
    while (isPlaying && !isOver()) {
      await next();
      await new Promise((resolve) => setTimeout(resolve, BETWEEN));
    }
    isPlaying = false;
    show();
  }

  const row = (label, chips) =>
    element("div", { className: "sweep" }, element("span", { className: "quiet" }, label), element("div", { className: "tokens" }, ...chips));

  function show() {
    play.setAttribute("aria-pressed", String(isPlaying));
    play.textContent = say(isPlaying ? "pause" : "play");
    if (!race) return;
    const one = element("article", {}, element("h3", {}, say("oneAtATime")), row(say("passes", { count: race.written.length }), race.written.map((token) => chip(token))), element("p", { className: "read", dir: "auto" }, textOf(race.written)));
    const all = element("article", {}, element("h3", {}, say("allAtOnce")), ...race.sweeps.map(sweepRow));
    ways.replaceChildren(one, all);
    verdict.hidden = !isOver();
    if (!isOver()) return;
    const [a, b] = [race.written, race.guess].map((tokens) => tokens.map((token) => token.id).join());
    const counts = { one: race.written.length, all: race.sweeps.length };
    verdict.className = `note ${a === b ? "success" : "error"}`;
    verdict.textContent = say(a === b ? "sameText" : "otherText", counts);
  }

  function sweepRow({ guess, settled, changed }, number) {
    const chips = guess.map((token, i) => {
      const made = chip(token);
      made.classList.add(i < settled ? "settled" : changed[i] ? "changed" : "guessed");
      return made;
    });
    return row(say("sweep", { number: number + 1, settled }), chips);
  }

  pass.addEventListener("click", next);
  play.addEventListener("click", playOn);
  again.addEventListener("click", begin);
  length.addEventListener("change", begin);

  return { forget: () => { race = null; isPlaying = false; ways.replaceChildren(); verdict.hidden = true; show(); } };
}
