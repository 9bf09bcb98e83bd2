/*
 * The stage: one component for everything that moves under a hand. What it shows is a scene;
 * which one, the data say.
 */
import { posteriorScene } from "./posterior_scene.js";
import { lightUp } from "../web/dom.js";
import { draggableExpertsScene } from "./draggable_experts.js";

const SCENES = { posterior: posteriorScene, experts: draggableExpertsScene };

/* This module's function runs again at every update of the page; a stage outlives that here. */
const stages = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".stage");
  let stage = stages.get(parentElement);
  if (!stage || stage.scene !== data.scene) {
    stage = { scene: data.scene, sent: 0, ...SCENES[data.scene](root) };
    stages.set(parentElement, stage);
    lightUp(root, () => stage.relight());
    // Colours of the theme reach what is painted only by painting it again.
    root.ontransitionend = (event) => event.target === root && event.propertyName === "color" && stage.repaint();
  }
  // A number makes every event differ from the one before, or the server would not hear of it; and
  // by the number that comes back an answer to something older is known.
  function tell(event) {
    stage.sent = Math.max(Date.now(), stage.sent + 1);
    setStateValue("event", { ...event, n: stage.sent });
  }
  stage.update(data, tell, data.heard < stage.sent);
  return () => stage.leave();
}
