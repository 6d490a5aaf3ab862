// The two switches. The page's address may ask for a start: ?language=zh&theme=dark
(function () {
  const root = document.documentElement;
  const asked = new URLSearchParams(location.search);
  const languages = document.querySelectorAll("[data-language]");
  const theme = document.querySelector("[data-switch-theme]");

  function speak(language) {
    root.lang = language;
    languages.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.language === language)));
  }
  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function colour(name) {
    if (name) root.dataset.theme = name;
    theme.setAttribute("aria-pressed", String(isDark()));
  }

  languages.forEach((button) => button.addEventListener("click", () => speak(button.dataset.language)));
  theme.addEventListener("click", () => colour(isDark() ? "light" : "dark"));
  // Paper shows what is folded on the screen.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => (part.open = true)));
  speak(["en", "zh"].includes(asked.get("language")) ? asked.get("language") : root.lang);
  colour(["light", "dark"].includes(asked.get("theme")) ? asked.get("theme") : "");
  document.querySelector(".switches").hidden = false;
})();
