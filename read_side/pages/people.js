// Searches as one types, by the page that the form would show; keys; how long ago it was. All that is shown is made by the server.

const PAUSE_MILLISECONDS = 120;
const AGE_MILLISECONDS = 15_000;

const search = document.getElementById("search");
const field = document.getElementById("q");
const news = document.getElementById("news");
const results = () => document.getElementById("results");

// Searching

let waiting, asked;

function address() {
  const wanted = [...new FormData(search)].filter(([, value]) => value.trim());
  const query = new URLSearchParams(wanted).toString();
  return search.action + (query && `?${query}`);
}

async function show() {
  asked?.abort();
  asked = new AbortController();
  const { signal } = asked, wanted = address();
  try {
    const answer = await fetch(wanted, { headers: { Accept: "text/html" }, signal });
    if (answer.status === 401) return location.assign(wanted);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (signal.aborted) return;
    replace(page.getElementById("results"), wanted);
    document.title = page.title;
    news.textContent = results().querySelector("[data-count], .error")?.textContent ?? "";
    tellAges();
  } catch (error) {
    if (error.name !== "AbortError") news.textContent = "The directory does not answer; press Enter to try again.";
  }
}

// Who has gone on to what was found before stays there, or goes back to where one types.
function replace(found, wanted) {
  if (!found) throw new Error("This is no page of the directory.");
  const { href } = document.activeElement, isWithin = results().contains(document.activeElement);
  results().replaceWith(found);
  history.replaceState(null, "", wanted);
  if (isWithin) ([...found.querySelectorAll(".hit")].find((each) => each.href === href) ?? field).focus();
}

search.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(show, PAUSE_MILLISECONDS);
});

// Keys: / to the search, arrows through what was found, Escape back

const isTyped = (node) => node.matches("input, textarea, select");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { key, target } = event;
  if (key === "/" && !isTyped(target)) {
    field.focus();
    field.select();
  } else if (key === "Escape" && target.matches(".hit")) {
    field.focus();
  } else if ((key === "ArrowDown" || key === "ArrowUp") && (target === field || target.matches(".hit"))) {
    step(target, key === "ArrowDown" ? 1 : -1);
  } else {
    return;
  }
  event.preventDefault();
});

function step(from, by) {
  const hits = [...results().querySelectorAll(".hit")];
  const next = hits.indexOf(from) + by;
  (next < 0 ? field : hits[Math.min(next, hits.length - 1)])?.focus();
}

// How fresh it is

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

function age(seconds) {
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? [];
  return unit ? relative.format(-Math.floor(seconds / size), unit) : "just now";
}

function tellAges() {
  for (const time of document.querySelectorAll(".fresh time")) {
    time.title ||= time.textContent;
    time.textContent = age((Date.now() - new Date(time.dateTime)) / 1_000);
  }
}

document.documentElement.classList.add("live");
tellAges();
if (field.value !== field.defaultValue) show(); // typed before this was there
setInterval(tellAges, AGE_MILLISECONDS);
