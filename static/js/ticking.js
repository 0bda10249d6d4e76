// A table with rows to tick: all of the page at once, and how many are ticked.
const form = document.querySelector("form[data-ticking]");

if (form) {
  const boxes = [...form.querySelectorAll("tbody input[type=checkbox]")];
  const all = form.querySelector(".tick-all");
  const count = form.querySelector(".ticked-bar output");

  const show = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && !all.checked;
    count.value = ticked;
  };
  all.addEventListener("change", () => boxes.forEach((box) => (box.checked = all.checked)));
  form.addEventListener("change", show);
  addEventListener("pageshow", show); // the browser may have kept what was ticked
  all.closest("[hidden]").hidden = false;
  count.closest("[hidden]").hidden = false;
}
