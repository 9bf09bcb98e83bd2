/* Handles that the arrow keys move. */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
/** How much smaller a step is with shift. */
const FINE = 0.2;

/**
 * Let the arrow keys move a handle: `move([right, up])` at every press, `done()` once the key is
 * let go or the focus is lost. Gives whether a key is down: what is told by others meanwhile is
 * older than what the hand does.
 */
export function arrowKeys(handle, move, done) {
  let down = false;
  function end() {
    if (down) done(); // by which others are told, so that it is still ours until then
    down = false;
  }
  handle.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    down = true;
    move(arrow.map((step) => step * (event.shiftKey ? FINE : 1)));
    event.preventDefault();
  });
  handle.addEventListener("keyup", (event) => event.key in ARROWS && end());
  handle.addEventListener("blur", end);
  return () => down;
}
