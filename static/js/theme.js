// Changes the appearance without reloading, so that nothing typed is lost.
const following = { auto: "dark", dark: "light", light: "auto" };

for (const form of document.querySelectorAll("[data-theme-switch]")) {
  const button = form.querySelector("button");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const theme = button.value;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    const age = theme === "auto" ? 0 : 31536000;
    document.cookie = `theme=${theme}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.value = following[theme];
    button.title = form.dataset[theme];
  });
}
