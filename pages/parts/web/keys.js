/* Moving handles with the arrow keys. */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
/** Factor of a step's size with Shift. */
const FINE = 0.2;

/**
 * Let the arrow keys move a handle: `move([right, up])` is called at every press, and `done()` when
 * the key is released or the focus is lost. Returns a function that tells whether a key is down, in
 * which case updates from the server are outdated.
 */
export function arrowKeys(handle, move, done) {
  let down = false;
  function end() {
    if (down) done(); // before `down` changes, so that no update comes in between
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
