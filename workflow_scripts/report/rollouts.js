// Shows the responses of the page of rollouts, filtered. The data are described in rollouts_page.py.
//
// A card shows a problem, and side by side the responses of one model to it: after SFT, and after
// each RL that started there. The filters choose responses; a card is shown if one of its responses
// passes. The choice stands in the fragment of the address, as "model=FB&steps=6-9".
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const MORE = 20; // cards that are added at a time
const SYMBOLS = { sound: "✓", "right answer": "✓", "after the mistake": "↓" };
const SILENT = ["", "sound", "not judged"]; // marks whose words only a screen reader says

// ---- responses ---------------------------------------------------------------------------------

// A card for each problem of each lineage, the easiest problems first.
const cards = new Map();
data.lineages.forEach(([experiment, model, condition, seed, stages], lineage) => {
  for (const [stage, run, rlSteps] of stages) {
    for (const [index, lines, right, direction, mode, fits, mistake] of data.responses[run]) {
      const [type, steps, parts, prompt] = data.problems[index];
      const key = index * data.lineages.length + lineage;
      if (!cards.has(key)) cards.set(key, { key, model, condition, seed, prompt, responses: [] });
      const card = cards.get(key);
      Object.assign(card, { experiment, type, steps, parts });
      card.responses.push({
        experiment, model, stage, condition, seed, type, steps, parts, rlSteps, lines,
        fits: Boolean(fits),
        strategy: data.directions[direction],
        mode: data.modes[mode],
        answer: right ? "right" : "wrong",
        mistake: data.mistakes[mistake],
      });
    }
  }
});
const ordered = [...cards.values()].sort((one, other) => one.key - other.key);

// ---- filters -----------------------------------------------------------------------------------

// order: the values in the order of the options; without it, the order in which they appear.
const FACETS = [
  { key: "experiment", name: "Experiment", required: true },
  { key: "model", name: "Model" },
  { key: "stage", name: "Stage" },
  { key: "condition", name: "Condition" },
  { key: "seed", name: "Seed" },
  { key: "type", name: "Problem type" },
  { key: "steps", name: "Steps", isRange: true },
  { key: "parts", name: "Parts", isRange: true },
  { key: "strategy", name: "Strategy", order: data.directions },
  { key: "mode", name: "Mode", order: data.modes },
  { key: "answer", name: "Answer", order: ["right", "wrong"] },
  { key: "mistake", name: "First mistake", order: data.mistakes },
];
const form = document.getElementById("filters");
let chosen = {}; // by key: the chosen value as text
let shownCards = MORE;

const ends = (range) => {
  const [low, high = low] = range.split("-").map(Number);
  return [low, high];
};

const passes = (response) =>
  FACETS.every(({ key, isRange }) => {
    if (!(key in chosen)) return true;
    if (!isRange) return String(response[key]) === chosen[key];
    const [low, high] = ends(chosen[key]);
    return low <= response[key] && response[key] <= high;
  });

// The values that the responses of the chosen experiment have.
function valuesOf({ key, isRange, order, required }) {
  if (required) return Object.keys(data.experiments);
  const found = new Set();
  for (const card of ordered) {
    if (card.experiment !== chosen.experiment) continue;
    for (const response of card.responses) found.add(response[key]);
  }
  const values = [...found];
  if (order) values.sort((one, other) => order.indexOf(one) - order.indexOf(other));
  if (isRange) values.sort((one, other) => one - other);
  return values.map(String);
}

// Read the fragment. Filters that nothing on this page passes are left out, and returned as texts.
function readFragment() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const unknown = [];
  chosen = { experiment: Object.keys(data.experiments)[0] };
  for (const facet of FACETS) {
    const value = asked.get(facet.key);
    if (!value) continue;
    const values = valuesOf(facet);
    const [low, high] = ends(value);
    const isThere = facet.isRange
      ? values.some((each) => low <= each && each <= high)
      : values.includes(value);
    if (isThere) chosen[facet.key] = value;
    else unknown.push(`${facet.key}=${value}`);
  }
  return unknown;
}

function writeFragment() {
  const text = new URLSearchParams(chosen).toString();
  history.replaceState(null, "", `#${text.replace(/%28/g, "(").replace(/%29/g, ")")}`);
}

function select(id, name, options, value) {
  const field = make("select", { id });
  for (const [option, text] of options) field.append(new Option(text, option));
  field.value = value;
  return make("label", {}, make("span", {}, name), field);
}

// A filter with one value alone would change nothing, so it is not shown.
function drawFilters() {
  form.replaceChildren();
  for (const facet of FACETS) {
    const values = valuesOf(facet);
    if (values.length < 2) continue;
    const options = values.map((value) => [value, data.experiments[value] ?? value]);
    if (facet.isRange) {
      const [low, high] = facet.key in chosen ? ends(chosen[facet.key]) : [values[0], values.at(-1)];
      const nearest = (number) =>
        values.reduce((a, b) => (Math.abs(b - number) < Math.abs(a - number) ? b : a));
      form.append(
        select(`${facet.key}-low`, `${facet.name} from`, options, nearest(low)),
        select(`${facet.key}-high`, `${facet.name} to`, options, nearest(high)),
      );
    } else {
      const all = facet.required ? [] : [["*", "all"]];
      form.append(select(facet.key, facet.name, [...all, ...options], chosen[facet.key] ?? "*"));
    }
  }
}

// Take the choice from the form.
function readForm(changed) {
  if (changed.id === "experiment") {
    chosen = { experiment: changed.value };
    drawFilters();
    document.getElementById("experiment").focus();
    return;
  }
  const value = (id) => document.getElementById(id)?.value;
  for (const facet of FACETS) {
    if (facet.required) continue;
    delete chosen[facet.key];
    if (facet.isRange && value(`${facet.key}-low`)) {
      const both = ["low", "high"].map((end) => Number(value(`${facet.key}-${end}`)));
      const [low, high] = both.sort((one, other) => one - other);
      const values = valuesOf(facet);
      if (low > values[0] || high < values.at(-1)) {
        chosen[facet.key] = low === high ? `${low}` : `${low}-${high}`;
      }
    } else if (!facet.isRange && value(facet.key) !== undefined && value(facet.key) !== "*") {
      chosen[facet.key] = value(facet.key);
    }
  }
}

// ---- drawing -----------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const kindOf = (mark) => {
  if (SYMBOLS[mark] === "✓") return "good";
  return mark === "after the mistake" ? "after" : SILENT.includes(mark) ? "plain" : "bad";
};

function drawLine(coded) {
  const mark = data.marks[coded.charCodeAt(0) - 97];
  const item = make("li", { class: kindOf(mark) }, make("code", {}, coded.slice(1)));
  if (mark) {
    const symbol = make("span", { "aria-hidden": "true" }, SYMBOLS[mark] ?? "✗");
    const words = make("span", SILENT.includes(mark) ? { class: "unseen" } : {}, mark);
    item.append(make("span", { class: "mark" }, ...(mark === "not judged" ? [] : [symbol, " "]), words));
  }
  return item;
}

function drawResponse(response, dims) {
  const { stage, rlSteps, answer, strategy, mode, fits, mistake } = response;
  const right = answer === "right";
  const title = make(
    "h4",
    {},
    `After ${stage} `,
    make("span", { class: `verdict ${right ? "reproduced" : "not-reproduced"}` }, right ? "✓ right" : "✗ wrong"),
  );
  const judged = fits ? `fits; ${mistake}` : "does not fit, so its lines are not judged";
  const kind = mode === "guess and check" || mode === strategy ? mode : `${strategy}, ${mode}`;
  const told = `${rlSteps ? `${rlSteps} RL steps; ` : ""}${kind}${mode === "guess and check" ? ` (${strategy})` : ""}; ${judged}`;
  const outside = dims && !passes(response);
  const card = make("section", { class: `response${outside ? " outside" : ""}` }, title);
  card.append(make("p", { class: "small" }, told));
  if (outside) card.append(make("p", { class: "small" }, "outside the filters, for comparison"));
  card.append(make("ol", { class: "lines" }, ...response.lines.map(drawLine)));
  return card;
}

function drawCard(card) {
  const { model, condition, seed, type, steps, parts, prompt, responses } = card;
  const names = [model, condition, `seed ${seed}`].filter(Boolean).join(", ");
  const size = `${steps} steps${parts > 1 ? ` in ${parts} parts` : ""}`;
  const problem = make("section", {}, make("h4", {}, "Problem"), make("pre", {}, prompt.trim()));
  const dims = !responses.every(passes);
  return make(
    "article",
    {},
    make("h3", {}, `${names}: ${type}, ${size}`),
    make("div", { class: "side" }, problem, ...responses.map((each) => drawResponse(each, dims))),
  );
}

function draw() {
  const found = ordered.filter((card) => card.responses.some(passes));
  const matching = found.flatMap((card) => card.responses.filter(passes));
  const told = (name, test) => {
    const n = matching.filter(test).length;
    return `${n} ${name} (${(n / matching.length).toFixed(2)})`;
  };
  const shares = matching.length
    ? `: ${told("right", (each) => each.answer === "right")}, ` +
      `${told("with the fitting strategy", (each) => each.fits)}, ` +
      `${told("verified", (each) => each.mistake === data.mistakes[0])}`
    : "; choose other filters";
  document.getElementById("count").textContent =
    `${matching.length.toLocaleString("en")} responses to ${found.length.toLocaleString("en")} ` +
    `problems pass the filters${shares}.`;
  document.getElementById("cards").replaceChildren(...found.slice(0, shownCards).map(drawCard));
  const more = document.getElementById("more");
  more.hidden = found.length <= shownCards;
  more.textContent = `Show ${Math.min(MORE, found.length - shownCards)} more of ${found.length}`;
}

function start() {
  const unknown = readFragment();
  const notice = document.getElementById("unknown");
  notice.hidden = unknown.length === 0;
  notice.textContent = `No response on this page has ${unknown.join(", ")}: left out.`;
  shownCards = MORE;
  drawFilters();
  draw();
}

form.addEventListener("change", (event) => {
  readForm(event.target);
  document.getElementById("unknown").hidden = true;
  shownCards = MORE;
  writeFragment();
  draw();
});
form.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("reset").addEventListener("click", () => {
  history.replaceState(null, "", "#");
  start();
});
document.getElementById("more").addEventListener("click", () => {
  const first = shownCards;
  shownCards += MORE;
  draw();
  const next = document.getElementById("cards").children[first].querySelector("h3");
  next.tabIndex = -1;
  next.focus();
});
window.addEventListener("hashchange", start);
start();
