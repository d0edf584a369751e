// Keeps the page up to date, and asks before anything is ordered. What is shown is made by the server.

const SILENT_MILLISECONDS = 20_000;
const AGAIN_MILLISECONDS = 3_000;

const element = (id) => document.getElementById(id);

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
    take(JSON.parse(event.data));
  });
  on("history", () => {});
  on("status", (status) => {
    if (lacksRows(status)) location.reload();
    tellConnection("Live.");
    announce(status);
  });
  on("page", showParts);
  let anew = false;
  on("anew", () => {
    anew = true;
    tellConnection("The projector takes up other layouts.");
  });
  stream.onerror = () => {
    if (!anew) tellConnection("The connection is lost; trying again.");
    anew = false;
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

// Rows come and go with another number of partitions; an order that is being given is finished before.
function lacksRows(status) {
  const names = status.projections.flatMap((each) => [each.name, ...each.parts.map((part) => part.name)]);
  const rows = [...document.querySelectorAll(".projections tr[id]")].map((row) => row.id);
  return names.join() !== rows.join() && !element("question").open;
}

function showParts(parts) {
  const { id: focused, href, dataset: { place } } = document.activeElement ?? document.body;
  const part = document.activeElement?.closest("[id]")?.id;
  for (const [id, html] of Object.entries(parts)) if (element(id)) element(id).innerHTML = html;
  showResult();
  if (document.activeElement !== document.body) return;
  if (focused) focus(focused, place);
  else if (href) [...element(part)?.querySelectorAll("a") ?? []].find((each) => each.href === href)?.focus();
}

// A button that has gone leaves the focus to what it stood under.
function focus(id, place) {
  (element(id) ?? element(place) ?? document.querySelector("h1"))?.focus();
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

// Orders

const question = element("question");
const form = question.querySelector("form");
let asked; // the button's data, its id, and the section it stands in
let result; // what came of the last order, with the same

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-path]");
  if (!button) return;
  event.preventDefault(); // it would lead to the page of the order, as it does without a script
  ask({ ...button.dataset, id: button.id, section: button.closest("section").querySelector("h2").id });
});
element("question-no").addEventListener("click", () => question.close());
question.addEventListener("close", () => focus(asked.id, asked.place));
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
  element("question-yes").disabled = false;
  const wanted = button.fields.split(" ");
  for (const each of form.querySelectorAll("[data-field]")) each.hidden = !wanted.includes(each.dataset.field);
  form.reason.required = wanted.includes("reason");
  question.showModal();
}

// The answer may come when the question was closed, or another is asked: that stays as it is.
async function order() {
  const ordered = asked;
  const isAsked = () => question.open && asked === ordered;
  element("question-yes").disabled = true;
  element("question-problem").textContent = "";
  try {
    tellResult(ordered, outcome(await send()));
    if (isAsked()) question.close();
  } catch (error) {
    if (isAsked()) element("question-problem").textContent = error.message;
    else tellResult(ordered, error.message.replace(/\.$/, ""));
  } finally {
    if (isAsked()) element("question-yes").disabled = false;
  }
}

function tellResult(ordered, said) {
  result = { ...ordered, said };
  element("news").textContent = `${result.title.replace("?", "")}: ${said}.`;
  showResult();
}

// Beside the button, or under the heading of its section once the button has gone.
function showResult() {
  document.querySelector(".result")?.remove();
  if (!result) return;
  const shown = document.createElement("p");
  shown.className = "result";
  const button = element(result.id);
  shown.textContent = button ? `${result.said}.` : `${result.title.replace("?", "")}: ${result.said}.`;
  const group = button?.closest(".actions") ?? element(`${result.place}-actions`);
  if (group) group.append(shown);
  else element(result.section).after(shown);
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
  if (answered.settled === false) return "as soon as a projector feeds";
  return answered.parked?.length ? "done, but something is parked still" : "done";
}

// What the page showed, and only what was asked for; an order without a name has a general one.
function said() {
  const body = JSON.parse(asked.said);
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
