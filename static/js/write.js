// Keeps an answer that is being written in the browser until it is stored.
const form = document.getElementById("write");

if (form) {
  const text = form.elements.text;
  const key = `laoshi-write ${form.dataset.prompt}`;
  text.value ||= localStorage.getItem(key) ?? "";
  const keep = () => localStorage.setItem(key, text.value);
  text.addEventListener("input", keep);
  if (text.value) keep(); // it may have been typed before this script had come
  form.addEventListener("submit", () => localStorage.removeItem(key));
}
