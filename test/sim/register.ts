/** To be loaded first (`node --import`): from here on the product's modules meet the simulated world. */
import { register } from "node:module";
import { installClock } from "./clock.js";

register("./hooks.js", import.meta.url);
installClock();
