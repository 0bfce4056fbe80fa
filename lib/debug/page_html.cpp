#include "debug/page_html.hpp"

namespace ringo::debug::detail {

const std::string_view page_html = R"html(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>ringo</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --ink: #2a78d6; }
body { font: 14px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1.2rem; }
header { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; align-items: baseline; }
h1 { font-size: 1.4rem; margin: 0; }
h2 { font-size: 1rem; margin: 1.6rem 0 .5rem; }
#said { opacity: .65; }
nav { margin-left: auto; display: flex; gap: 1rem; }
a { color: var(--ink); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .6rem; }
.card { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .7rem; }
.card b { display: block; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.card span { opacity: .7; font-size: .85rem; }
#waits { display: grid; grid-template-columns: 5.5rem 1fr 9rem; gap: .15rem .6rem; }
#waits div { text-align: right; font-variant-numeric: tabular-nums; font-size: .85rem; }
#waits i { background: var(--ink); border-radius: .15rem; min-width: 2px; align-self: center;
  height: .65rem; }
pre { background: var(--soft); border-radius: .5rem; padding: .8rem; overflow-x: auto; margin: 0;
  font-size: .8rem; line-height: 1.45; }
</style></head><body>
<header><h1>ringo</h1><span id="said">asking&hellip;</span>
<nav><a href="/fibers">fibers</a><a href="/metrics">metrics</a>
<a href="/trace?seconds=1">trace 1 s</a><a href="/trace?seconds=10">trace 10 s</a></nav></header>
<h2>Now</h2><div class="cards" id="cards"></div>
<h2>How long fibers that were ready waited for a worker</h2><div id="waits"></div>
<h2>Fibers, those that are alike together</h2><pre id="fibers"></pre>
<noscript>This page needs scripts; /fibers and /metrics do not.</noscript>
<script>
const states = ["running", "runnable", "blocking", "parked"];
let before = null;
const short = n => n >= 1e9 ? (n / 1e9).toFixed(1) + " G" : n >= 1e6 ? (n / 1e6).toFixed(1) + " M"
  : n >= 1e4 ? (n / 1e3).toFixed(1) + " k" : String(Math.round(n * 10) / 10);
function parse(text) {
  const found = {at: performance.now()};
  for (const line of text.split("\n")) {
    const space = line.lastIndexOf(" ");
    if (line && line[0] !== "#") found[line.slice(0, space).slice(6)] = +line.slice(space + 1);
  }
  return found;
}
function add(to, kind, text) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  return to.appendChild(made);
}
function card(name, value) {
  const to = add(document.getElementById("cards"), "div");
  to.className = "card";
  add(to, "b", value);
  add(to, "span", name);
}
function show(now) {
  document.getElementById("cards").replaceChildren();
  const rate = name => before === null ? "…"
    : short((now[name] - before[name]) / (now.at - before.at) * 1000);
  const fibers = states.map(s => now['fibers{state="' + s + '"}']);
  card("fibers", short(fibers.reduce((a, b) => a + b, 0)));
  states.forEach((s, i) => card(s, short(fibers[i])));
  card("started, a second", rate("fibers_spawned_total"));
  card("switches, a second", rate("switches_total"));
  card("parks, a second", rate("parks_total"));
  card("steals, a second", rate("steals_total"));
  card("sleeps, a second", rate("sleeps_total"));
  card("engine calls, a second", rate("engine_calls_total"));
  card("completions, a second", rate("completions_total"));
  card("completions a call", now.engine_calls_total
    ? short(now.completions_total / now.engine_calls_total) : "…");
  card("turns handed on", short(now.handoffs_total));
  card("workers / threads", now.workers + " / " + now.threads);
  card("unused stacks", short(now['stacks_unused{pages="kept"}']
    + now['stacks_unused{pages="given_back"}']));
}
function showWaits(now) {
  const to = document.getElementById("waits"), rows = [];
  let last = 0;
  for (const name in now) {
    const limit = /wait_seconds_bucket\{le="(.*)"\}/.exec(name);
    if (!limit) continue;
    rows.push([limit[1], now[name] - last]);
    last = now[name];
  }
  const most = Math.max(...rows.map(r => r[1]));
  to.replaceChildren();
  if (last === 0) add(to, "div", "none yet");
  for (const [limit, count] of rows) {
    if (count === 0) continue;
    const us = limit * 1e6;
    add(to, "div", limit === "+Inf" ? "longer" : us < 1e3 ? "≤ " + Math.round(us) + " µs"
      : us < 1e6 ? "≤ " + Math.round(us / 1e3) + " ms" : "≤ " + Math.round(us / 1e6) + " s");
    add(to, "i").style.width = 100 * count / most + "%";
    add(to, "div", short(count) + " (" + (100 * count / last).toFixed(1) + " %)");
  }
}
async function text(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(answer.status);
  return answer.text();
}
async function look(withFibers) {
  const said = document.getElementById("said");
  try {
    const now = parse(await text("/metrics"));
    show(now);
    showWaits(now);
    before = now;
    if (withFibers) document.getElementById("fibers").textContent = await text("/fibers");
    said.textContent = location.host + ", " + new Date().toLocaleTimeString();
  } catch (error) {
    said.textContent = "no answer: " + error.message;
  }
}
let looks = 0;
async function forever() {
  await look(looks++ % 5 === 0);
  setTimeout(forever, 1000);
}
forever();
</script></body></html>
)html";

}  // namespace ringo::debug::detail
