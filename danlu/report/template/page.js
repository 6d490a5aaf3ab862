// Buttons for language and theme. URL parameters set the initial state: ?language=zh&theme=dark
(function () {
  const root = document.documentElement;
  const parameters = new URLSearchParams(location.search);
  const languages = document.querySelectorAll("[data-language]");
  const theme = document.querySelector("[data-switch-theme]");

  function setLanguage(language) {
    root.lang = language;
    languages.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.language === language)));
  }
  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function setTheme(name) {
    if (name) root.dataset.theme = name;
    theme.setAttribute("aria-pressed", String(isDark()));
  }

  languages.forEach((button) => button.addEventListener("click", () => setLanguage(button.dataset.language)));
  theme.addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));
  // Expand collapsed sections for printing.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => (part.open = true)));
  const [language, initialTheme] = [parameters.get("language"), parameters.get("theme")];
  setLanguage(["en", "zh"].includes(language) ? language : root.lang);
  setTheme(["light", "dark"].includes(initialTheme) ? initialTheme : "");
  document.querySelector(".switches").hidden = false;
})();
