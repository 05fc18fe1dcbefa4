import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { startSession } from "./session";
import "./style.css";
import "./frame.css";
import "./list.css";
import { showTheme } from "./settings";
import { startWorker } from "./worker";

showTheme();
startSession();
addEventListener("load", startWorker);
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
