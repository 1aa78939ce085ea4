// Motion that explains: cards fly from where they were to where they are; a beat's pendulum swings.

const FLIGHTS = 60; // more at once would blur: then nothing flies
const FLIGHT = { duration: 480, easing: "cubic-bezier(.3,.1,.2,1)", composite: "add" }; // on top of one under way
const ALONE = { ...FLIGHT, composite: "replace" };
const SWING = ["0deg", "-32deg", "32deg", "-18deg", "0deg"].map((rotate) => ({ rotate }));
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Let each card that is elsewhere now fly there from where it was seen before. */
function fly(before, was, is) {
  const flights = [];
  for (const [id, spot] of is) {
    if (isStack(spot) && was.get(id) === spot) continue;
    flights.push([spot, was.get(id)]);
    if (flights.length > FLIGHTS) return;
  }
  const places = flights.map(([spot]) => spot.getBoundingClientRect()); // all looks before any change
  flights.forEach(([spot, from], at) => {
    const there = places[at], start = before.get(from);
    if (!start) {
      if (!from && !isStack(spot)) spot.animate([{ opacity: 0, transform: "translateX(-2.5rem)" }, {}], ALONE);
      return;
    }
    const [x, y] = [start.x - there.x, start.y - there.y], shifted = `translate(${x}px, ${y}px)`;
    if (Math.abs(x) + Math.abs(y) < 1) return;
    if (!isStack(spot)) spot.animate([{ transform: shifted, zIndex: 1 }, { transform: "none", zIndex: 1 }], FLIGHT);
    else if (!isStack(from) && !from.isConnected) { // a card that goes into a stack
      const ghost = element("flights").appendChild(from);
      Object.assign(ghost.style, { left: `${there.x}px`, top: `${there.y}px`, width: `${start.width}px` });
      ghost.animate([{ transform: shifted }, { transform: "none", opacity: 0.2 }], ALONE).onfinish = () => ghost.remove();
    }
  });
}

const isStack = (spot) => spot.classList.contains("stack");

function metronome() {
  const [pendulum, box] = ["M8 11V3.5", "M4.5 14 6.5 2h3l2 12z"].map((d) => s("path", { d }));
  return s("svg", { class: "sign" }, pendulum, box);
}

const swing = (pendulum) => pendulum.animate(SWING, { duration: 1400, easing: "ease-in-out" });
