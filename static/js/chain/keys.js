// Single keys, which can be switched off (WCAG 2.1.4). The list of them stands on the page.
const KEPT = "chain-keys";
const TYPING = "textarea, select, input:not([type=radio], [type=checkbox])";

export function startKeys({ step, play, back, newSeed, chooseNth }) {
  const areOn = document.getElementById("keys-on");
  areOn.checked = localStorage.getItem(KEPT) !== "off";
  areOn.addEventListener("change", () => localStorage.setItem(KEPT, areOn.checked ? "on" : "off"));
  const keys = { " ": step, ArrowRight: step, ArrowLeft: back, p: play, d: newSeed };

  document.addEventListener("keydown", (event) => {
    const { key, target, ctrlKey, metaKey, altKey, shiftKey, repeat } = event;
    if (!areOn.checked || ctrlKey || metaKey || altKey || shiftKey || event.isComposing) return;
    if (target.closest?.(TYPING)) return;
    // What has the focus is pressed by the space bar, and moved by arrows where that is its way.
    if (key === " " && target.closest?.("button, summary, a, input")) return;
    if (key.startsWith("Arrow") && target.closest?.("input")) return;
    const act = keys[key.toLowerCase()] ?? keys[key] ?? (/^[1-9]$/.test(key) ? () => chooseNth(Number(key)) : null);
    if (!act) return;
    event.preventDefault();
    if (!repeat || act === step || act === back) act();
  });
}
