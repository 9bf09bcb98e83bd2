/*
 * The stage: one component for all interactive scenes. The data name the scene to show.
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
    // Canvases must be repainted when the theme's colours change.
    root.ontransitionend = (event) => event.target === root && event.propertyName === "color" && stage.repaint();
  }
  // A number makes each event differ from the previous one, so that the server is notified; the
  // number that comes back shows whether the data answer the latest event.
  function notify(event) {
    stage.sent = Math.max(Date.now(), stage.sent + 1);
    setStateValue("event", { ...event, n: stage.sent });
  }
  stage.update(data, notify, data.answered < stage.sent);
  return () => stage.leave();
}
