// The board on which answers are put in order: shows it, and lets it be changed by mouse and touch.
import { followDrags } from "./drag.js";
import { Order } from "./order.js";
import { firstWords } from "./passage.js";
import { announce, colon, comma, letter, together } from "./words.js";

export function startBoard(form, say, changed, signal) {
  const board = form.querySelector(".board");
  if (!board) return null;
  const [places, tray] = [board.querySelector(".places"), board.querySelector(".tray")];
  const answers = [...form.querySelectorAll(".answer")];
  const selects = answers.map((answer) => answer.querySelector(".plain-rank select"));
  for (const select of selects) select.closest(".plain-rank").hidden = true;
  board.hidden = false;

  let chosen = 0;
  const order = new Order(answers.length, selects.map((select) => Number(select.value)), (moved) => {
    show();
    if (moved) announce(spoken(moved));
    changed();
  });
  const chips = answers.map((answer, i) => makeChip(i + 1, answer.querySelector(".text")));

  function makeChip(answer, shown) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.dataset.answer = answer;
    const mark = document.createElement("span");
    mark.className = "letter";
    mark.textContent = letter(answer);
    const text = document.createElement("span");
    text.className = "words";
    text.dir = shown.dir;
    text.textContent = firstWords(shown, 80);
    chip.append(mark, text);
    return chip;
  }

  function spoken(answer) {
    const place = order.rankOf(answer);
    const values = { answer: letter(answer), place, places: order.places.length };
    if (!place) return say("takenOut", values);
    const sharers = order.sharers(answer);
    if (!sharers.length) return say("moved", values);
    return say("movedShared", { ...values, answers: together(sharers.map(letter)) });
  }

  function target(kind, index, label) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = `target ${kind}`;
    button.dataset[kind] = index;
    button.setAttribute("aria-label", label);
    return button;
  }

  function show() {
    const focused = document.activeElement?.closest?.(".chip, .target");
    const last = order.places.length;
    const name = chosen ? letter(chosen) : "";
    const rows = order.places.map((place, index) => {
      const row = document.createElement("div");
      row.className = "place";
      row.dataset.place = index;
      row.role = "group";
      const shared = place.length > 1 ? comma + say("shared") : "";
      row.setAttribute("aria-label", say("place", { place: index + 1, places: last }) + shared);
      const number = document.createElement("span");
      number.className = "number";
      number.textContent = index + 1;
      row.append(number, ...place.map((answer) => chips[answer - 1]));
      if (shared) row.classList.add("is-shared");
      if (shared) row.dataset.shared = say("shared");
      if (chosen && !place.includes(chosen)) {
        row.append(target("join", index, say("tieHere", { answer: name, place: index + 1 })));
      }
      return row;
    });
    const gaps = Array.from({ length: last + 1 }, (_, i) =>
      target("gap", i, say(i < last ? "placeFirst" : "placeLast", { answer: name, place: i + 1 })),
    );
    places.replaceChildren(...(chosen ? gaps.flatMap((gap, i) => [gap, rows[i] ?? []].flat()) : rows));
    tray.replaceChildren(...order.unplaced.map((answer) => chips[answer - 1]));
    board.classList.toggle("is-empty", last === 0);
    board.classList.toggle("is-full", order.unplaced.length === 0);
    chips.forEach((chip, i) => {
      const answer = i + 1;
      const rank = order.rankOf(answer);
      chip.setAttribute("aria-pressed", String(answer === chosen));
      const where = rank ? say("place", { place: rank, places: last }) : say("notPlaced");
      const sharers = order.sharers(answer);
      const tied = sharers.length ? comma + say("sharedWith", { answers: together(sharers.map(letter)) }) : "";
      chip.setAttribute("aria-label", say("answer", { answer: letter(answer) }) + colon + where + tied);
      answers[i].classList.toggle("is-chosen", answer === chosen);
      answers[i].querySelector(".place-badge").textContent = rank ? `${where}${tied}` : say("notPlaced");
      answers[i].classList.toggle("is-placed", rank > 0);
      selects[i].value = rank || "";
    });
    // A target that had the focus is gone now.
    const heir = focused?.isConnected === false ? chips[chosen - 1] : focused;
    heir?.focus({ preventScroll: true });
  }

  function choose(answer, { quiet = false } = {}) {
    chosen = answer;
    show();
    if (!answer) return;
    chips[answer - 1].focus({ preventScroll: true });
    chips[answer - 1].scrollIntoView({ block: "nearest", inline: "nearest" });
    if (!quiet) answers[answer - 1].scrollIntoView({ block: "nearest" });
  }

  function putOn(spot, answer) {
    if (spot.gap !== undefined) order.putBefore(answer, Number(spot.gap));
    else if (spot.join !== undefined) order.join(answer, Number(spot.join));
    else if (spot.tray !== undefined) order.takeOut(answer);
    choose(answer, { quiet: true });
  }

  board.addEventListener("click", (event) => {
    const spot = event.target.closest(".target");
    const chip = event.target.closest(".chip");
    const row = event.target.closest(".place");
    if (spot && chosen) putOn(spot.dataset, chosen);
    else if (chip) choose(Number(chip.dataset.answer) === chosen ? 0 : Number(chip.dataset.answer));
    else if (row && chosen) putOn({ join: row.dataset.place }, chosen);
    else if (event.target.closest(".tray") && chosen) putOn({ tray: "" }, chosen);
    else if (event.target.closest(".places") && chosen) putOn({ gap: order.places.length }, chosen);
  });
  for (const answer of answers) {
    const handle = answer.querySelector(".letter");
    handle.classList.add("handle");
    handle.addEventListener("click", () => choose(Number(answer.dataset.index)));
  }
  followDrags({ form, board, places, tray, drop: putOn, signal });
  show();

  return {
    order,
    choose,
    get chosen() {
      return chosen;
    },
    missing: () => order.unplaced,
    lead: (answer) => choose(answer),
  };
}
