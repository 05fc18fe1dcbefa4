import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { Boundary } from "./Boundary";
import { startSession } from "./session";
import "./style.css";
import "./frame.css";
import "./list.css";
import "./add.css";
import { showSettings } from "./settings";
import { startWorker } from "./worker";

showSettings();
startSession();
addEventListener("load", startWorker);
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Boundary>
      <App />
    </Boundary>
  </StrictMode>,
);
