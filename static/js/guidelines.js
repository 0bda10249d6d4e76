// The guidelines stand open beside the work on a wide screen, until they are closed for good.

const guidelines = document.getElementById("guidelines");
const isWide = matchMedia("(min-width: 80rem)");
const KEPT = "guidelines";

if (guidelines) {
  const unfold = () => (guidelines.open = isWide.matches && localStorage.getItem(KEPT) !== "closed");
  unfold();
  isWide.addEventListener("change", unfold);
  guidelines.querySelector("summary").addEventListener("click", () => {
    // The click has not folded them yet.
    if (isWide.matches) localStorage.setItem(KEPT, guidelines.open ? "closed" : "open");
  });
}
