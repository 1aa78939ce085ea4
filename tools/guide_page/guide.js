// Sorts the entries by how well they fit the words, and hides those that don't.
"use strict";

const field = document.querySelector("#words");
const count = document.querySelector("#count");
const index = document.querySelector("#index");
const list = document.querySelector("#entries");

const wordsOf = (text) => text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];

// What is on the screen counts for more than what we say about it.
const entries = [...list.children].map((element) => {
  const screen = element.querySelector("pre").textContent;
  const title = wordsOf(element.querySelector("h3").textContent);
  const shown = [...title, "\n", ...wordsOf(screen)];
  const all = new Set(wordsOf(element.textContent));
  return { element, title, shown, screen: new Set(shown), all };
});

// A word that few entries have says more than one that many have.
const having = new Map();
for (const { all } of entries) {
  for (const word of all) having.set(word, (having.get(word) ?? 0) + 1);
}
const weight = (word) => Math.log(1 + entries.length / having.get(word));

function begins(all, word) {
  return word.length > 1 && [...all].some((other) => other.startsWith(word));
}

function fit(entry, word) {
  if (entry.screen.has(word)) return 4 * weight(word);
  if (entry.all.has(word)) return weight(word);
  return begins(entry.screen, word) ? 2 : begins(entry.all, word) ? 1 : 0;
}

// The longest run of words that stands on the screen just so, without those that no entry has.
function run(shown, words) {
  let longest = 0;
  let last = new Array(shown.length + 1).fill(0);
  for (const word of words) {
    last = [0, ...shown.map((other, at) => (other === word ? last[at] + 1 : 0))];
    longest = Math.max(longest, ...last);
  }
  return longest;
}

function score(entry, words) {
  const fits = [...new Set(words)].reduce((sum, word) => sum + fit(entry, word), 0);
  if (!fits) return 0;
  const same = run(entry.shown, words);
  const told = entry.title.filter((word) => words.includes(word)).length / entry.title.length;
  return fits + 3 * (same > 1 ? same : 0) + 6 * told;
}

function show() {
  const words = wordsOf(field.value);
  const scored = entries.map((entry) => ({ ...entry, score: score(entry, words) }));
  const best = Math.max(...scored.map(({ score }) => score));
  if (words.length) scored.sort((one, other) => other.score - one.score);
  const fitting = scored.filter(({ score }) => !words.length || (score && score >= 0.4 * best));
  list.append(...scored.map(({ element }) => element));
  for (const { element } of scored) {
    element.open = false;
    element.hidden = !fitting.some((entry) => entry.element === element);
  }
  if (words.length && fitting.length) fitting[0].element.open = true;
  index.hidden = words.length > 0;
  count.textContent = words.length ? said(fitting.length) : `${entries.length} entries, from A to Z`;
}

function said(number) {
  if (!number) return "No entry has these words. Try fewer, or one of them.";
  return number === 1 ? "1 entry fits" : `${number} entries fit, the best one first`;
}

function clear() {
  field.value = "";
  show();
}

function open(address) {
  const wanted = address && document.getElementById(decodeURIComponent(address.slice(1)));
  if (!wanted) return;
  clear();
  wanted.open = true;
  wanted.scrollIntoView();
  wanted.querySelector("summary").focus();
}

function step(by) {
  const stops = [field, ...list.querySelectorAll("details:not([hidden]) > summary")];
  const at = stops.indexOf(document.activeElement);
  stops[Math.max(0, Math.min(stops.length - 1, at + by))].focus();
}

function key(event) {
  const typing = document.activeElement === field;
  const keys = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Escape: () => (clear(), field.focus()),
    Enter: () => step(1),
    "/": () => field.focus(),
  };
  const own = typing ? ["/", "ArrowUp"] : ["Enter"]; // what these keys do by themselves is right
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (!(event.key in keys) || own.includes(event.key) || modified) return;
  event.preventDefault();
  keys[event.key]();
}

field.addEventListener("input", show);
document.addEventListener("keydown", key);
addEventListener("hashchange", () => open(location.hash));
show();
open(location.hash);
