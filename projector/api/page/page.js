// Keeps the page up to date, draws the charts, and asks before anything is ordered. What is shown is made by the server.

const SHOWN_MILLISECONDS = 600_000;
const SILENT_MILLISECONDS = 20_000;
const AGAIN_MILLISECONDS = 3_000;
const WIDTH = 600, HEIGHT = 80, MARGIN = 2;
const SVG = "http://www.w3.org/2000/svg";

const element = (id) => document.getElementById(id);
let past = { at: [], projections: {} };

// The stream

function connect() {
  const stream = new EventSource("status/events");
  let silence;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(again, SILENT_MILLISECONDS);
  };
  const again = () => {
    clearTimeout(silence);
    stream.close();
    setTimeout(connect, AGAIN_MILLISECONDS);
  };
  const on = (name, take) => stream.addEventListener(name, (event) => {
    heard();
    take(JSON.parse(event.data), Number(event.lastEventId));
  });
  on("history", (history) => { past = history; });
  on("status", (status, at) => {
    tellConnection("Live.");
    remember(status, at);
    announce(status);
    document.querySelectorAll("figure").forEach(draw);
  });
  on("page", showParts);
  stream.onerror = () => {
    tellConnection("The connection is lost; trying again.");
    if (stream.readyState !== EventSource.CLOSED) return;
    again(); // refused: a browser gives up by itself then
    tellWhy();
  };
  heard();
}

// A browser does not say why it was refused.
async function tellWhy() {
  const answer = await fetch("status").catch(() => null);
  if (answer?.status === 401) tellConnection("You are signed out: muster token --link prints a link.");
}

function tellConnection(text) {
  if (element("connection").textContent !== text) element("connection").textContent = text;
}

function showParts(parts) {
  const focused = document.activeElement?.id;
  for (const [id, html] of Object.entries(parts)) if (element(id)) element(id).innerHTML = html;
  if (focused && document.activeElement?.id !== focused) focus(focused);
}

// A button that has gone leaves the focus to the heading it stood under: ids begin with the projection.
function focus(id) {
  (element(id) ?? element(id.split("-")[0]) ?? document.querySelector("h1"))?.focus();
}

// A change is announced, once, to those who do not see it.
const announced = new Map();

function announce(status) {
  const news = [];
  for (const each of status.projections) {
    const rebuild = each.rebuild ? `, rebuild ${each.rebuild.phase}` : "";
    const state = `${each.name} is ${each.state}${rebuild}, generation ${each.generation}`;
    if (announced.has(each.name) && announced.get(each.name) !== state) news.push(state);
    announced.set(each.name, state);
  }
  if (news.length) element("news").textContent = `${news.join(". ")}.`;
}

// The charts

function remember(status, at) {
  if (past.at.at(-1) >= at) return; // it stood at the end of the history
  past.at.push(at);
  const forgotten = past.at.findIndex((each) => each > at - SHOWN_MILLISECONDS);
  past.at.splice(0, forgotten);
  for (const each of status.projections) {
    const series = past.projections[each.name] ??= {};
    for (const measure of ["lag_events", "lag_seconds", "events_per_second"]) {
      (series[measure] ??= []).push(each[measure]);
      series[measure].splice(0, forgotten);
    }
  }
}

function draw(figure) {
  const { projection, measure } = figure.dataset;
  const values = past.projections[projection]?.[measure] ?? [];
  const most = Math.max(1, ...values);
  const lines = runs(values).map((run) => line(run, values, most));
  const svg = figure.querySelector("svg");
  svg.replaceChildren(...lines);
  svg.dataset.most = most;
  const text = `${figureOf(values.at(-1))} now, ${figureOf(Math.max(0, ...values))} at most`;
  svg.setAttribute("aria-label", `${figure.querySelector("figcaption").firstChild.data}${text}, in ten minutes`);
  figure.querySelector("b").textContent = text;
}

// Stretches in which the figure was known, as pairs of indices; the end is not part of it.
function runs(values) {
  const found = [];
  values.forEach((value, nth) => {
    if (value === null) return;
    if (nth && values[nth - 1] !== null) found.at(-1)[1] = nth + 1;
    else found.push([nth, nth + 1]);
  });
  return found;
}

function line([begin, end], values, most) {
  const now = past.at.at(-1);
  const points = [];
  for (let nth = begin; nth < end; nth += 1) {
    const x = WIDTH * (1 - (now - past.at[nth]) / SHOWN_MILLISECONDS);
    const y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (values[nth] / most);
    points.push(`${x.toFixed(1)},${y.toFixed(2)}`);
  }
  const drawn = document.createElementNS(SVG, "polyline");
  drawn.setAttribute("points", points.join(" "));
  return drawn;
}

function figureOf(value) {
  return value == null ? "unknown" : value.toLocaleString("en", { maximumFractionDigits: 1 });
}

// Orders

const question = element("question");
const form = question.querySelector("form");
let asked; // the button's data, and its id

document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("button[data-path]");
  if (button) ask({ ...button.dataset, id: button.id });
});
element("question-no").addEventListener("click", () => question.close());
question.addEventListener("close", () => focus(asked.id));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  order();
});

function ask(button) {
  asked = button;
  form.reset();
  form.by.value = localStorage.getItem("muster.by") ?? "";
  element("question-title").textContent = button.title;
  element("question-text").textContent = button.text;
  element("question-force").textContent = button.force;
  element("question-yes").textContent = button.title.replace("?", "");
  element("question-problem").textContent = "";
  const wanted = button.fields.split(" ");
  for (const each of form.querySelectorAll("[data-field]")) each.hidden = !wanted.includes(each.dataset.field);
  form.reason.required = wanted.includes("reason");
  question.showModal();
}

async function order() {
  element("question-yes").disabled = true;
  element("question-problem").textContent = "";
  try {
    element("news").textContent = outcome(await send());
    question.close();
  } catch (error) {
    element("question-problem").textContent = error.message;
  } finally {
    element("question-yes").disabled = false;
  }
}

async function send() {
  const answer = await fetch(asked.path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(said()),
  }).catch(() => { throw new Error("No answer: whether it was done will be seen on the page."); });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({ detail: `The projector answers ${answer.status}.` }));
  throw new Error(`${problem.title ?? "Refused"}: ${problem.detail}`);
}

// What is parked can be tried in vain, or have to wait for a projector.
function outcome(answered) {
  const done = asked.title.replace("?", "");
  if (answered.settled === false) return `${done}: as soon as a projector feeds.`;
  return answered.parked?.length ? `${done}: done, but something is parked still.` : `${done}: done.`;
}

// Only what was asked for; an order without a name has a general one.
function said() {
  const body = {};
  for (const name of asked.fields.split(" ").filter(Boolean)) {
    const field = form[name];
    body[name] = field.type === "checkbox" ? field.checked : field.value.trim();
  }
  if ("by" in body) {
    localStorage.setItem("muster.by", body.by);
    body.by ||= "an operator on the ops page";
  }
  return body;
}

document.documentElement.classList.add("live");
connect();
