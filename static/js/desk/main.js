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

  function report() {
    const [unplaced, without] = [way.missing(), ratings.missing()];
    status.classList.remove("is-refused");
    const { mode } = form.dataset;
    if (unplaced.length) {
      const name = "direct" in form.dataset ? "missingDirect" : MISSING[mode];
      status.textContent = say(name, { answers: together(names(unplaced)) });
    } else if (without.length) {
      status.textContent = say("missingQuality", { answers: together(names(without)) });
    } else status.textContent = say(form.dataset.draft ? COMPLETE[mode] : "completeChange");
    for (const remarks of form.querySelectorAll(".remarks")) {
      const count = remarks.querySelectorAll(":checked").length;
      remarks.querySelector("summary").dataset.count = count ? ` (${count})` : "";
    }
    form.classList.toggle("is-complete", !unplaced.length && !without.length);
  }

  const judged = {
    /** Leads to what is missing; false when nothing is. */
    lead() {
      const [unplaced, without] = [way.missing(), ratings.missing()];
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

  function next(desk) {
    stopping.abort();
    form.replaceWith(desk);
    const undo = document.getElementById("undo");
    undo.elements.ranking.value = form.elements.token.value;
    undo.hidden = false;
    document.getElementById("today").textContent = Number(document.getElementById("today").textContent) + 1;
    document.querySelector("main > .messages")?.remove(); // they spoke of the group before
    scrollTo({ top: 0 });
    start(desk, { isNext: true });
    desk.querySelector("#question").focus({ preventScroll: true });
    announce(`${say("stored")} ${say("next")}`);
  }

  startKeys({ form, say, board, thumbs, pair, ratings, signal });
  startSubmit({ form, say, judged, drafts, next, signal });
  form.addEventListener("change", report, { signal });
  report();
  if (isRestored) drafts.changed();
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
