// Leaderboards: sort, filters, marks of significance, comparison of two runs. No library, no network.
"use strict";

const ALPHA = 0.05;

/** Hit ranks of all users, from base64: one byte each, 0 for a miss. */
function unpack(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Exact two-sided McNemar p: a binomial test at 1/2 on the users that exactly one of two runs hits. */
function mcnemar(wins, losses) {
  const n = wins + losses;
  const fewer = Math.min(wins, losses);
  let logLast = -n * Math.LN2; // of C(n, fewer) / 2^n
  for (let i = 0; i < fewer; i++) logLast += Math.log((n - i) / (i + 1));
  let sum = 1;
  let term = 1; // relative to the last, the largest one
  for (let i = fewer; i > 0; i--) {
    term *= i / (n - i + 1);
    sum += term;
  }
  return Math.min(1, 2 * Math.exp(logLast) * sum);
}

/** Holm's correction of a family of p values, in their order. */
function holm(p) {
  const order = p.map((_, index) => index).sort((a, b) => p[a] - p[b]);
  const corrected = new Array(p.length);
  let largest = 0;
  order.forEach((index, position) => {
    largest = Math.max(largest, p[index] * (p.length - position));
    corrected[index] = Math.min(1, largest);
  });
  return corrected;
}

/** Hits within k by group: of a, of b, of b only (wins), of a only (losses), and the users of each group. */
function hitsByGroup(a, b, groupOf, groups, k) {
  const counts = groups.map(() => ({ users: 0, a: 0, b: 0, wins: 0, losses: 0 }));
  for (let user = 0; user < a.length; user++) {
    const count = counts[groupOf[user]];
    const [x, y] = [a[user] >= 1 && a[user] <= k, b[user] >= 1 && b[user] <= k];
    count.users++;
    count.a += x;
    count.b += y;
    count.wins += y && !x;
    count.losses += x && !y;
  }
  return counts;
}

/** What a hit at this rank is worth: 1 for HR, the discounted gain for NDCG; 0 beyond k. */
function gain(metric, rank) {
  const [name, k] = metric.split("@");
  if (rank < 1 || rank > Number(k)) return 0;
  return name === "hr" ? 1 : 1 / Math.log2(rank + 1);
}

/** B minus A, user by user: means, wins and losses of B, and a normal 95% interval of the difference. */
function compareRanks(a, b, metric) {
  const gains = Array.from({ length: 256 }, (_, rank) => gain(metric, rank));
  let [sumA, sumB, sumSquares, wins, losses, both] = [0, 0, 0, 0, 0, 0];
  for (let user = 0; user < a.length; user++) {
    const [x, y] = [gains[a[user]], gains[b[user]]];
    sumA += x;
    sumB += y;
    sumSquares += (y - x) * (y - x);
    if (y > x) wins++;
    if (y < x) losses++;
    if (x > 0 && y > 0) both++;
  }
  const n = a.length;
  const difference = (sumB - sumA) / n;
  const deviation = Math.sqrt(Math.max(0, sumSquares / n - difference * difference) / n);
  const [low, high] = [difference - 1.96 * deviation, difference + 1.96 * deviation];
  return { a: sumA / n, b: sumB / n, difference, low, high, wins, losses, ties: n - wins - losses, both };
}

function format(value, digits = 4) {
  return (value > 0 ? "+" : "") + value.toFixed(digits);
}

function formatP(p) {
  return p < 0.0001 ? p.toExponential(1) : p.toPrecision(2);
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Everything that happens on the page of a leaderboard. */
class Leaderboard {
  constructor(data) {
    this.data = data;
    this.runs = new Map(data.runs.map((run) => [run.id, { ...run, ranks: unpack(run.ranks) }]));
    this.table = document.getElementById("leaderboard");
    this.body = this.table.tBodies[0];
    this.rows = Array.from(this.body.rows);
    this.filters = document.getElementById("filters");
    this.pair = document.getElementById("pair");
  }

  start() {
    for (const button of this.table.querySelectorAll(".sort")) {
      button.addEventListener("click", () => this.sort(button.closest("th")));
    }
    this.filters.addEventListener("input", () => this.filter());
    this.filters.addEventListener("reset", () => setTimeout(() => this.filter()));
    this.filters.addEventListener("submit", (event) => event.preventDefault());
    this.body.addEventListener("change", (event) => this.choose(event.target.value));
    for (const select of [this.pair.elements.a, this.pair.elements.b]) {
      for (const run of this.runs.values()) select.append(new Option(`${run.label} (${run.id})`, run.id));
      select.addEventListener("change", () => this.compare(true));
    }
    window.addEventListener("hashchange", () => this.followLink());
    this.choose(this.body.querySelector("input[name=reference]:checked").value);
    this.followLink();
  }

  sort(heading) {
    const ascending = heading.getAttribute("aria-sort") === "descending";
    for (const other of this.table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const value = (row) => {
      const text = row.cells[heading.cellIndex].dataset.value;
      return text === undefined ? null : Number(text);
    };
    const order = (x, y) => {
      const [a, b] = [value(x), value(y)];
      if (a === null || b === null) return (a === null) - (b === null); // what is not known stands last
      return ascending ? a - b : b - a;
    };
    this.rows.sort(order);
    this.body.append(...this.rows);
    this.pinCounting(order);
  }

  /** Keep the counting baseline that is best in the sorted column below the headings, where it is always seen. */
  pinCounting(order) {
    const pinned = document.getElementById("counting");
    const best = this.rows.filter((row) => this.runs.get(row.dataset.id).counts).sort(order)[0];
    if (!pinned || !best) return;
    const link = best.cells[0].querySelector("a").cloneNode(true);
    pinned.cells[0].replaceChildren(element("span", "first by counting", { class: "role" }), link);
    for (let index = 1; index < pinned.cells.length - 1; index++) {
      pinned.cells[index].textContent = best.cells[index].firstChild.textContent;
    }
  }

  filter() {
    const { text, model, decoder } = this.filters.elements;
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of this.rows) {
      const content = `${row.cells[0].textContent} ${row.dataset.id}`.toLowerCase();
      row.hidden = !(
        words.every((word) => content.includes(word)) &&
        (!model.value || row.dataset.model === model.value) &&
        (!decoder.value || row.dataset.decoder === decoder.value)
      );
      if (!row.hidden) shown++;
    }
    document.getElementById("shown").textContent = `${shown} of ${this.rows.length} runs`;
  }

  /** Compare all runs with this one: marks in the table, and run A below. */
  choose(id) {
    const reference = this.runs.get(id);
    document.getElementById("chosen").textContent = `${reference.label} `;
    for (const mark of this.body.querySelectorAll(".better, .worse")) mark.remove();
    for (const metric of new Set(Array.from(this.body.querySelectorAll("[data-metric*='@']"), (c) => c.dataset.metric))) {
      this.mark(reference, metric);
    }
    const { a, b } = this.pair.elements;
    a.value = id;
    if (b.value === id) b.value = this.rows.map((row) => row.dataset.id).find((other) => other !== id) ?? id;
    this.compare(false);
  }

  mark(reference, metric) {
    const tests = [];
    for (const row of this.rows) {
      const run = this.runs.get(row.dataset.id);
      const test = run.id === reference.id ? null : this.test(reference, run, metric);
      if (test && test.p !== null) tests.push({ row, ...test });
    }
    const corrected = holm(tests.map((test) => test.p));
    tests.forEach((test, index) => {
      if (corrected[index] > ALPHA || test.difference === 0) return;
      const [kind, sign, word] = test.difference > 0 ? ["better", "▲", "better"] : ["worse", "▼", "worse"];
      const title = `${word} than the chosen run, p = ${formatP(corrected[index])} after Holm's correction`;
      const cell = test.row.querySelector(`[data-metric="${metric}"]`);
      cell.append(element("span", sign, { class: kind, title, role: "img", "aria-label": title }));
    });
  }

  /** The comparison of two runs in one metric; p is null where it is not known, and all is null for short lists. */
  test(a, b, metric) {
    if (Math.min(a.beam, b.beam) < Number(metric.split("@")[1])) return null;
    const result = compareRanks(a.ranks, b.ranks, metric);
    if (metric.startsWith("hr@")) return { ...result, p: mcnemar(result.wins, result.losses) };
    const other = a.id === this.data.reference ? b : b.id === this.data.reference ? a : null;
    return { ...result, p: other?.p[metric] ?? null };
  }

  /** Show the two runs that the address names: #a=ID&b=ID. */
  followLink() {
    const named = new URLSearchParams(location.hash.slice(1));
    if (!this.runs.has(named.get("a")) || !this.runs.has(named.get("b"))) return;
    this.pair.elements.a.value = named.get("a");
    this.pair.elements.b.value = named.get("b");
    this.compare(false);
    document.getElementById("compare").scrollIntoView();
  }

  compare(isChosen) {
    const [a, b] = [this.pair.elements.a.value, this.pair.elements.b.value].map((id) => this.runs.get(id));
    const target = document.getElementById("comparison");
    if (isChosen) history.replaceState(null, "", `#a=${a.id}&b=${b.id}`);
    if (a.id === b.id) {
      target.replaceChildren(element("p", "Choose two different runs."));
      return;
    }
    const table = element("table");
    const head = table.createTHead().insertRow();
    for (const text of ["", "A", "B", "B − A", "95% interval", "B wins", "A wins", "ties", "p"]) {
      head.append(text ? element("th", text, { scope: "col" }) : element("td"));
    }
    const body = table.createTBody();
    const ks = this.data.ks;
    for (const metric of [...ks.map((k) => `hr@${k}`), ...ks.filter((k) => k > 1).map((k) => `ndcg@${k}`)]) {
      const test = this.test(a, b, metric);
      if (!test) continue;
      const row = body.insertRow();
      row.append(element("th", metric.toUpperCase(), { scope: "row" }));
      const cells = [
        test.a.toFixed(4), test.b.toFixed(4), format(test.difference), `${format(test.low)} to ${format(test.high)}`,
        test.wins, test.losses, test.ties, test.p === null ? "–" : formatP(test.p),
      ];
      for (const cell of cells) row.append(element("td", cell));
    }
    const scroll = element("div", undefined, {
      class: "scroll", role: "region", "aria-label": "Differences", tabindex: "0",
    });
    scroll.append(table);
    const slices = this.data.slices.flatMap((slice) => this.whoGained(a, b, slice));
    target.replaceChildren(this.inWords(a, b), scroll, element("p", this.legend(), { class: "legend" }), ...slices);
  }

  /** Wins and losses in each group of users. */
  whoGained(a, b, slice) {
    const k = Math.min(a.beam, b.beam, this.data.ks[this.data.ks.length - 1]);
    const counts = hitsByGroup(a.ranks, b.ranks, unpack(slice.groupOf), slice.groups, k);
    const p = holm(counts.map((count) => mcnemar(count.wins, count.losses)));
    const table = element("table");
    const head = table.createTHead().insertRow();
    for (const text of [`by ${slice.by}`, "users", `HR@${k} A`, `HR@${k} B`, "B wins", "A wins", "p Holm"]) {
      head.append(element("th", text, { scope: "col" }));
    }
    const body = table.createTBody();
    counts.forEach((count, group) => {
      if (!count.users) return;
      const row = body.insertRow();
      row.append(element("th", slice.groups[group], { scope: "row" }));
      const rates = [count.a, count.b].map((hits) => (hits / count.users).toFixed(4));
      for (const cell of [count.users, ...rates, count.wins, count.losses, formatP(p[group])]) {
        row.append(element("td", cell));
      }
    });
    const region = { class: "scroll", role: "region", "aria-label": `Users by ${slice.by}`, tabindex: "0" };
    const scroll = element("div", undefined, region);
    scroll.append(table);
    return [element("h3", `Who gained, by ${slice.by}`), scroll];
  }

  inWords(a, b) {
    const k = Math.min(a.beam, b.beam, this.data.ks[this.data.ks.length - 1]);
    const { wins, losses, both } = compareRanks(a.ranks, b.ranks, `hr@${k}`);
    const users = this.data.users;
    const neither = users - wins - losses - both;
    return element(
      "p",
      `Of ${users.toLocaleString("en")} users, the first ${k} hold the next item of ${both} for both runs, of ` +
        `${losses} for A only, of ${wins} for B only, and of ${neither.toLocaleString("en")} for neither.`,
    );
  }

  legend() {
    const reference = this.runs.get(this.data.reference);
    return (
      `Interval: normal, over users. p: not corrected; HR by the exact McNemar test, ${this.data.tested.map((name) => name.toUpperCase()).join(" and ")} ` +
      `by random sign flips against ${reference.label} (${reference.id}) only, – elsewhere.`
    );
  }
}

if (typeof module === "undefined") {
  new Leaderboard(JSON.parse(document.getElementById("data").textContent)).start();
} else {
  module.exports = { unpack, mcnemar, holm, gain, compareRanks, hitsByGroup };
}
