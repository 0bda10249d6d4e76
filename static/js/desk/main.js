// The desk. Without these files the form works all the same: a select an answer, one submit.
import { startBetter } from "./better.js";
import { startBoard } from "./board.js";
import { restore, startDrafts } from "./drafts.js";
import { startHighlights } from "./highlights.js";
import { startKeys } from "./keys.js";
import { startRatings } from "./ratings.js";
import { startSubmit } from "./submit.js";
import "./reading.js";
import "../guidelines.js";
import { startWritten } from "../written.js";
import { names, startPair, startThumbs } from "./verdicts.js";
import { announce, together, wordsOf } from "./words.js";

const MISSING = { ranking: "missing", thumbs: "missingThumbs", pair: "missingPair" };
const [SAY_FOR, UNDO_FOR] = [10_000, 600_000];
let timers = [];
const COMPLETE = { ranking: "complete", thumbs: "completeThumbs", pair: "completePair" };

function start(form, { isNext = false } = {}) {
  const say = wordsOf(form);
  const stopping = new AbortController();
  const { signal } = stopping;
  const status = form.querySelector("#status");

  const isRestored = restore(form);
  const drafts = startDrafts(form, say, signal);
  const changed = () => {
    report();
    drafts.changed();
  };
  const board = form.dataset.mode === "ranking" ? startBoard(form, say, changed, signal) : null;
  const thumbs = startThumbs(form, say, changed, signal);
  const pair = startPair(form, changed, { isNext });
  startBetter(form, say, changed);
  startWritten(form);
  startHighlights(form, say, changed, signal);
  keepClearOfBar(form, signal);
  const ratings = startRatings(form, changed);
  const way = board ?? thumbs ?? pair;

  /** An order that is not begun follows from the ratings, where they are asked for. */
  const followsFromRatings = () =>
    "orderOptional" in form.dataset && way.missing().length === form.querySelectorAll(".answer").length;

  const missing = () => [followsFromRatings() ? [] : way.missing(), ratings.missing()];

  function report() {
    const [unplaced, without] = missing();
    status.classList.remove("is-refused");
    const { mode } = form.dataset;
    if (unplaced.length) {
      const name = "direct" in form.dataset ? "missingDirect" : MISSING[mode];
      status.textContent = say(name, { answers: together(names(unplaced)) });
    } else if (without.length) {
      status.textContent = say("missingQuality", { answers: together(names(without)) });
    } else if (!form.dataset.draft) status.textContent = say("completeChange");
    else status.textContent = say(followsFromRatings() ? "completeRated" : COMPLETE[mode]);
    for (const remarks of form.querySelectorAll(".remarks")) {
      const count = remarks.querySelectorAll(":checked").length;
      remarks.querySelector("summary").dataset.count = count ? ` (${count})` : "";
    }
    form.classList.toggle("is-complete", !unplaced.length && !without.length);
  }

  const judged = {
    /** Leads to what is missing; false when nothing is. */
    lead() {
      const [unplaced, without] = missing();
      report();
      if (unplaced.length) way.lead(unplaced[0]);
      else if (without.length) ratings.lead();
      else return false;
      status.classList.add("is-refused");
      announce(status.textContent);
      return true;
    },
    refuse(problem) {
      status.textContent = problem;
      status.classList.add("is-refused");
      announce(problem);
    },
  };

  function next(desk, expected) {
    stopping.abort();
    form.replaceWith(desk);
    const undo = document.getElementById("undo");
    undo.elements.ranking.value = form.elements.token.value;
    undo.elements.skip.value = "";
    undo.dataset.of = "ranking";
    const said = document.getElementById("expected");
    said.textContent = expected;
    said.hidden = !expected;
    undo.hidden = false;
    sayForAWhile(undo);
    history.replaceState(null, "", location.pathname); // what led here is past
    document.getElementById("today").textContent = Number(document.getElementById("today").textContent) + 1;
    document.querySelector("main > [role=status] > .messages")?.remove(); // they spoke of the group before
    scrollTo({ top: 0 });
    start(desk, { isNext: true });
    desk.querySelector("#question").focus({ preventScroll: true });
    announce(`${say("stored")} ${expected} ${say("next")}`);
  }

  startKeys({ form, say, board, thumbs, pair, ratings, signal });
  startSubmit({ form, say, judged, drafts, next, signal });
  form.addEventListener("change", report, { signal });
  report();
  if (isRestored) drafts.changed();
}

/** What was done is said for a moment, what undoes it stays for as long as it can be undone. */
function sayForAWhile(undo) {
  undo.classList.remove("is-old");
  timers.forEach(clearTimeout);
  timers = [
    setTimeout(() => undo.classList.add("is-old"), SAY_FOR),
    setTimeout(() => (undo.hidden = true), UNDO_FOR),
  ];
}

/** Tells the styles how high the bar is, under which nothing that has the focus may lie. */
function keepClearOfBar(form, signal) {
  const bar = form.querySelector(".judge");
  const observer = new ResizeObserver(() =>
    document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`),
  );
  observer.observe(bar);
  // Of a text field the browser itself brings no more than the caret into view.
  form.addEventListener("focusin", ({ target }) => {
    if (target.matches("textarea")) target.scrollIntoView({ block: "nearest" });
  });
  signal.addEventListener("abort", () => observer.disconnect());
}

start(document.getElementById("desk"));
const undo = document.getElementById("undo");
if (undo && !undo.hidden) sayForAWhile(undo);
