// The other visitor: asks for something tiny ten times a second, and draws how long that takes.

const EVERY = 100; // ms
const SHOWN = 10_000; // ms that the strip covers
const SLOW = 300; // ms; from here on we call it a wait

// {sent, answered, ok}, the oldest first; the last may still be unanswered. Tests look at it, too.
export const pulse = { longest: 0, beats: [] };
window.pulse = pulse;

const element = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export const duration = (ms) => (ms < 1000 ? `${Math.round(ms)}\u00a0ms` : `${(ms / 1000).toFixed(1)}\u00a0s`);

export function start() {
  askForEver();
  requestAnimationFrame(draw);
}

async function askForEver() {
  for (;;) {
    const took = await ask();
    await pause(Math.max(0, EVERY - took)); // a visitor asks again once answered
  }
}

async function ask() {
  const beat = { sent: performance.now(), answered: null, ok: true };
  pulse.beats.push(beat);
  try {
    beat.ok = (await fetch("heartbeat", { cache: "no-store" })).ok;
  } catch {
    beat.ok = false;
  }
  beat.answered = performance.now();
  note(beat.answered - beat.sent);
  while (pulse.beats[0]?.answered < performance.now() - SHOWN) pulse.beats.shift();
  return beat.answered - beat.sent;
}

function note(took) {
  if (!document.hidden) pulse.longest = Math.max(pulse.longest, took); // hidden pages are slowed down
}

function draw() {
  const now = performance.now();
  const strip = fitted(element("strip"));
  for (const beat of pulse.beats) {
    const took = (beat.answered ?? now) - beat.sent;
    if (took > SLOW || !beat.ok) drawBar(strip, beat, now);
    else drawMark(strip, beat, took, now);
  }
  say(now);
  requestAnimationFrame(draw);
}

function fitted(canvas) {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px ui-sans-serif, system-ui, sans-serif";
  return { pen, width, height, x: (time, now) => width - ((now - time) / SHOWN) * width };
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}

function drawMark({ pen, height, x }, { sent }, took, now) {
  const tall = 10 + (took / SLOW) * (height - 30);
  pen.fillStyle = color("--calm");
  pen.fillRect(x(sent, now), height - 10 - tall, 2, tall);
}

function drawBar({ pen, height, x }, { sent, answered }, now) {
  const until = answered ?? now;
  const [left, wide] = [x(sent, now), x(until, now) - x(sent, now)];
  pen.fillStyle = color("--wait");
  pen.globalAlpha = answered ? 0.85 : 1;
  pen.fillRect(left, 10, Math.max(3, wide), height - 20);
  pen.globalAlpha = 1;
  if (wide > 40) {
    pen.fillStyle = color("--on");
    pen.fillText(`${((until - sent) / 1000).toFixed(1)} s`, left + 6, height / 2 + 4);
  }
}

function say(now) {
  const last = pulse.beats.at(-1);
  const answered = pulse.beats.findLast((beat) => beat.answered);
  const waits = last && !last.answered && now - last.sent > SLOW;
  if (waits) note(now - last.sent);
  element("pulse").classList.toggle("frozen", Boolean(waits || answered?.ok === false));
  element("now").value = words(waits ? now - last.sent : 0, answered);
  element("longest").value = duration(pulse.longest);
}

function words(waited, answered) {
  if (waited) return `waiting for an answer, ${(waited / 1000).toFixed(1)} s …`;
  if (!answered) return "…";
  if (!answered.ok) return "the server doesn’t answer";
  return `answered in ${Math.round(answered.answered - answered.sent)} ms`;
}
