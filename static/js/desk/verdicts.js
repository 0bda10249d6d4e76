// Good or bad of each answer, and which of two is better.
import { fieldOf } from "./fields.js";
import { announce, letter } from "./words.js";

/** What is said can be taken back step by step: `read` gives all of it, `put` says it again. */
function stepsOf(read, put) {
  const steps = [];
  let now = read();
  return {
    note() {
      const after = read();
      if (after !== now) steps.push(now);
      now = after;
    },
    undo() {
      if (!steps.length) return false;
      const after = now;
      now = steps.pop();
      put(now, after);
      return true;
    },
  };
}

export function startThumbs(form, say, changed, signal) {
  if (form.dataset.mode !== "thumbs") return null;
  const answers = [...form.querySelectorAll(".answer")];
  const isJudged = (answer) => answer.querySelector(".thumb-choice :checked") !== null;
  const missing = () => answers.filter((a) => !isJudged(a)).map((a) => Number(a.dataset.index));
  const lead = (number) => {
    answers[number - 1].focus({ preventScroll: true });
    answers[number - 1].scrollIntoView({ block: "nearest" });
  };
  const steps = stepsOf(
    () => answers.map((a) => a.querySelector(".thumb-choice :checked")?.value ?? "-").join(""),
    (before, after) => {
      for (const [i, answer] of answers.entries()) {
        const radios = answer.querySelectorAll(".thumb-choice input");
        for (const radio of radios) radio.checked = radio.value === before[i];
        if (before[i] !== after[i]) lead(i + 1);
      }
      mark();
      changed();
    },
  );
  const mark = () => {
    steps.note();
    for (const answer of answers) answer.classList.toggle("is-placed", isJudged(answer));
  };
  form.addEventListener("change", () => mark(), { signal });
  mark();

  function judge(isGood) {
    const here = document.activeElement?.closest?.(".answer") ?? answers[missing()[0] - 1];
    if (!here) return;
    here.querySelector(`.thumb-choice input[value="${isGood ? 1 : 2}"]`).checked = true;
    mark();
    announce(say(isGood ? "judgedGood" : "judgedBad", { answer: here.dataset.letter }));
    changed();
    const [next] = missing();
    if (next) lead(next);
    else form.querySelector("#submit").focus();
  }

  return { missing, lead, judge, undo: steps.undo };
}

// A press meant for the group before must not judge the next one unread.
const UNREAD = 400;
const RANKS = { left: [1, 2], right: [2, 1], tie: [1, 1], bad: [1, 1] };

export function startPair(form, changed, { isNext }) {
  if (form.dataset.mode !== "pair") return null;
  const [isDirect, submit] = ["direct" in form.dataset, form.querySelector("#submit")];
  const readFrom = performance.now() + (isNext ? UNREAD : 0);
  const choices = form.querySelector(".pair-choices");
  const buttons = [...choices.querySelectorAll("[data-pair]")];
  const selects = [...form.querySelectorAll(".plain-rank select")];
  const noneIsAcceptable = fieldOf(form, "none-acceptable");
  for (const select of selects) select.closest(".plain-rank").hidden = true;
  choices.hidden = false;

  function choice() {
    const ranks = selects.map((select) => Number(select.value));
    if (ranks.includes(0)) return "";
    if (ranks[0] === ranks[1]) return noneIsAcceptable.checked ? "bad" : "tie";
    return ranks[0] < ranks[1] ? "left" : "right";
  }

  const steps = stepsOf(choice, (before) => {
    put(before);
    changed();
  });

  function show() {
    const made = choice();
    steps.note();
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.pair === made));
    }
  }

  /** That none is acceptable can be said of any order: only "both bad" ticks it, or takes it back. */
  function put(made) {
    const was = choice();
    selects.forEach((select, i) => (select.value = RANKS[made]?.[i] ?? ""));
    if (made === "bad") noneIsAcceptable.checked = true;
    else if (was === "bad") noneIsAcceptable.checked = false;
    show();
  }

  function choose(made) {
    put(made);
    announce(buttons.find((button) => button.dataset.pair === made).lastChild.textContent.trim());
    changed();
  }

  /** Chooses, and submits when the project asks for nothing more. */
  function judge(made) {
    if (!isDirect) return choose(made);
    if (performance.now() < readFrom || form.inert) return;
    choose(made);
    form.requestSubmit(submit);
  }

  choices.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pair]");
    if (button) judge(button.dataset.pair);
  });
  noneIsAcceptable.addEventListener("change", show);
  show();
  return {
    judge,
    undo: steps.undo,
    missing: () => (choice() ? [] : [1, 2]),
    lead: () => buttons[0].focus(),
  };
}

export const names = (numbers) => numbers.map(letter);
