// The desk by keyboard alone. The list of keys that `?` opens stands in _keys.html.
import { switchWritten } from "../written.js";
import { announce, letter } from "./words.js";

const dialog = document.getElementById("keys");
const keysSwitch = document.getElementById("keys-switch");

// Single-key shortcuts can be switched off (WCAG 2.1.4): speech input may type letters by itself.
let areOn = localStorage.getItem("rank-keys") !== "off";

export function startKeys({ form, say, board, thumbs, pair, ratings, signal }) {
  const answers = [...form.querySelectorAll(".answer")];
  const comment = form.querySelector("#comment");
  const help = form.querySelector("#help-button");
  help.hidden = false;

  const showSwitch = () => {
    keysSwitch.textContent = say(areOn ? "turnKeysOff" : "turnKeysOn");
  };
  const toggleHelp = () => (dialog.open ? dialog.close() : dialog.showModal());
  help.addEventListener("click", toggleHelp, { signal });
  keysSwitch.addEventListener(
    "click",
    () => {
      areOn = !areOn;
      localStorage.setItem("rank-keys", areOn ? "on" : "off");
      showSwitch();
    },
    { signal },
  );
  showSwitch();

  function choose(number) {
    if (number < 1 || number > answers.length) return false;
    if (board) board.choose(number);
    else {
      answers[number - 1].focus({ preventScroll: true });
      answers[number - 1].scrollIntoView({ block: "nearest" });
    }
    if (board) announce(say("chosen", { answer: letter(number) }));
    return true;
  }

  function step(by) {
    const all = board.order.all;
    const now = all.indexOf(board.chosen);
    choose(all[now < 0 ? (by > 0 ? 0 : all.length - 1) : (now + by + all.length) % all.length]);
  }

  function undo({ repeat }) {
    const last = document.getElementById("undo");
    if (board?.order.undo() || thumbs?.undo() || pair?.undo()) announce(say("undone"));
    else if (!last || last.hidden) announce(say("nothingToUndo"));
    else if (!repeat) last.requestSubmit();
  }

  function openSkip() {
    const skip = form.querySelector("#skip");
    if (!skip) return;
    skip.open = true;
    skip.querySelector("input").focus();
  }

  let left = null; // where the way to the comment began

  function toTheComment() {
    left = document.activeElement;
    comment.focus();
  }

  function backToTheAnswers() {
    if (left?.isConnected && left !== document.body) left.focus();
    else if (board) choose(board.chosen || 1);
    else answers[0].focus();
  }

  function onBoard(event) {
    const { key, shiftKey } = event;
    const chosen = board.chosen;
    if (key === "ArrowUp" || key === "ArrowDown") {
      const by = key === "ArrowUp" ? -1 : 1;
      if (shiftKey && chosen) board.order.move(chosen, by);
      else if (!shiftKey) step(by);
    } else if (key === "ArrowLeft") step(-1);
    else if (key === "ArrowRight") step(1);
    else if (key === " ") return placeNext(event.target);
    else if ((key === "t" || key === "T") && chosen) board.order.tie(chosen);
    else if ((digitOf(event) === 0 || key === "Backspace") && chosen) board.order.takeOut(chosen);
    else return false;
    if (board.chosen) board.choose(board.chosen, { quiet: true });
    return true;
  }

  /** Space gives a place once; after that it scrolls the page again, but on a chip. */
  function placeNext(at) {
    if (!board.chosen) return false;
    if (board.order.rankOf(board.chosen)) return at.matches(".chip");
    board.order.putLast(board.chosen);
    board.choose(board.chosen, { quiet: true });
    return true;
  }

  /** What judges goes before the digit that is on the same key of some keyboards. */
  const isVerdict = (key) => (thumbs && "+=-".includes(key)) || (pair && key in PAIR_KEYS);

  function inMode(event) {
    // With Shift they select text and scroll back.
    if (event.shiftKey && [" ", "ArrowLeft", "ArrowRight"].includes(event.key)) return false;
    if (board) return onBoard(event);
    if (event.repeat) return true; // a key held down judges one answer, not all of them
    if (thumbs && (event.key === "+" || event.key === "=")) thumbs.judge(true);
    else if (thumbs && event.key === "-") thumbs.judge(false);
    else if (pair && event.key in PAIR_KEYS) pair.judge(PAIR_KEYS[event.key]);
    else return false;
    return true;
  }

  document.addEventListener(
    "keydown",
    (event) => {
      if (event.isComposing || form.inert) return;
      // Held down, Enter would press what it was not meant for.
      if (event.key === "Enter" && event.repeat && !event.target.matches?.("textarea")) {
        event.preventDefault();
        return;
      }
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        form.requestSubmit(form.querySelector("#submit"));
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const at = event.target;
      if (event.key === "Escape" && at === comment) return backToTheAnswers();
      if (at.closest?.("textarea, select, input:not([type=radio], [type=checkbox])")) return;
      const open = document.querySelector("dialog[open]");
      if (!areOn) return;
      if (event.key === "?" && (!open || open === dialog)) toggleHelp();
      else if (open || !act(event, at)) return;
      event.preventDefault();
    },
    { signal },
  );

  // Firefox presses a button when the space bar comes up, whatever became of its way down.
  form.addEventListener("keyup", (event) => {
    if (areOn && event.key === " " && event.target.closest(".chip")) event.preventDefault();
  });

  function act(event, at) {
    const { key } = event;
    const rated = at.closest?.(".quality");
    const digit = digitOf(event);
    if (rated && digit !== null) ratings.rate(rated, digit);
    else if (digit && !isVerdict(key)) return choose(digit);
    else if (key.length === 1 && answers[key.toUpperCase().charCodeAt(0) - 65]) {
      return choose(key.toUpperCase().charCodeAt(0) - 64);
    } else if (/^s$/i.test(key)) openSkip();
    else if (/^n$/i.test(key)) toTheComment();
    else if (/^u$/i.test(key)) undo(event);
    else if (/^q$/i.test(key)) return ratings.lead();
    else if (/^w$/i.test(key)) return switchWritten();
    else if (belongsTo(at, key)) return false;
    else if (key === "Enter") form.requestSubmit(form.querySelector("#submit"));
    else return inMode(event);
    return true;
  }
}

/** The digit on the key: on a French or a Czech keyboard it needs Shift, which nobody is asked for. */
function digitOf({ key, code, shiftKey }) {
  const digit = /^[0-9]$/.test(key) ? key : !shiftKey && /^Digit([0-9])$/.exec(code)?.[1];
  return digit ? Number(digit) : null;
}

const PAIR_KEYS = { ArrowLeft: "left", ArrowRight: "right", "=": "tie", "-": "bad" };

/** Space, Enter and arrows are for the control or the wide text that has the focus, if it uses them. */
function belongsTo(at, key) {
  if (!at.closest?.("button, a, summary, input, .prose") || at.matches(".chip")) return false;
  return key === " " || key === "Enter" || (key.startsWith("Arrow") && !at.matches("[data-pair]"));
}
