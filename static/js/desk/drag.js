// Dragging answers with mouse, pen or finger: by a chip of the board or by an answer's letter.

const THRESHOLD = 6;

export function followDrags({ form, board, places, tray, drop, signal }) {
  let drag = null;

  form.addEventListener("pointerdown", (event) => {
    const source = event.target.closest(".chip, .handle");
    if (!source || event.button !== 0 || drag) return;
    const answer = Number(source.dataset.answer ?? source.closest(".answer").dataset.index);
    drag = { answer, source, x: event.clientX, y: event.clientY, id: event.pointerId, ghost: null };
  });

  document.addEventListener(
    "pointermove",
    (event) => {
      if (!drag || event.pointerId !== drag.id) return;
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (!drag.ghost && Math.hypot(dx, dy) < THRESHOLD) return;
      drag.ghost ??= lift();
      const x = Math.min(event.clientX, innerWidth - drag.ghost.offsetWidth);
      drag.ghost.style.transform = `translate(${x}px, ${event.clientY}px)`;
      mark(spotAt(event.clientX, event.clientY));
    },
    { signal },
  );

  function lift() {
    const ghost = drag.source.cloneNode(true);
    ghost.classList.add("ghost");
    ghost.setAttribute("aria-hidden", "true");
    document.body.append(ghost);
    board.classList.add("is-dragging");
    return ghost;
  }

  function end(event, isDropped) {
    if (!drag || event.pointerId !== drag.id) return;
    const { ghost, answer } = drag;
    drag = null;
    if (!ghost) return;
    const spot = isDropped ? spotAt(event.clientX, event.clientY) : null;
    ghost.remove();
    board.classList.remove("is-dragging");
    mark(null);
    // The click that follows a drag must not choose or place anything.
    const swallow = (click) => click.stopPropagation();
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }), 0);
    if (spot) drop(spot, answer);
  }

  document.addEventListener("pointerup", (event) => end(event, true), { signal });
  document.addEventListener("pointercancel", (event) => end(event, false), { signal });

  /** Where a drop would land: beside a place, on it (a tie), or back among the unplaced. */
  function spotAt(x, y) {
    const within = (box) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
    if (!within(board.getBoundingClientRect())) return null;
    const isTray = tray.childElementCount > 0 && within(tray.getBoundingClientRect());
    if (isTray) return { tray: "", element: tray };
    const isRow = getComputedStyle(places).flexDirection === "row";
    const rtl = getComputedStyle(places).direction === "rtl";
    const rows = [...places.querySelectorAll(".place")];
    for (const [index, row] of rows.entries()) {
      const box = row.getBoundingClientRect();
      if (isRow && y > box.bottom) continue; // on a line further down
      if (isRow && y < box.top) return { gap: index, element: row, edge: "before" };
      let share = isRow ? (x - box.left) / box.width : (y - box.top) / box.height;
      if (isRow && rtl) share = 1 - share;
      if (share < 0.25) return { gap: index, element: row, edge: "before" };
      if (share <= 0.75) return { join: index, element: row, edge: "on" };
    }
    return { gap: rows.length, element: rows.at(-1) ?? places, edge: rows.length ? "after" : "on" };
  }

  function mark(spot) {
    for (const marked of board.querySelectorAll("[data-drop]")) delete marked.dataset.drop;
    if (spot) spot.element.dataset.drop = spot.edge ?? "on";
  }
}
