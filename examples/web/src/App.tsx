import { lists as listsOf } from "@todo-api/client/views";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { undoLast } from "./acts";
import { listenToKeys, useCommand } from "./commands";
import { DeviceProvider, useDevice, useThings } from "./device";
import { useNow, useToday } from "./due";
import { Icon } from "./icons";
import { later } from "./later";
import { Page } from "./Page";
import { closeTask, go, openTask, useRoute } from "./route";
import { Search } from "./Search";
import { useSession } from "./session";
import { Shell } from "./Shell";
import { countsOf } from "./shown";
import { Sidebar } from "./Sidebar";
import { useParts } from "./useParts";

const Corner = later(() => import("./Corner"), { Meanwhile: () => <span className="corner" /> });
const Toasts = later(() => import("./ToastList"));
const SignIn = later(() => import("./SignIn"), { Meanwhile: Shell, isSoon: false });
const Detail = later(() => import("./parts/Detail"));
const Waiting = later(() => import("./parts/Waiting"));
const Commands = later(() => import("./parts/Commands"));
const Help = later(() => import("./parts/Help"));
const ListForm = later(() => import("./parts/ListForm"));

export function App() {
  const { person, isKnown } = useSession();
  // The shell is the one of whoever comes next.
  useLayoutEffect(() => {
    document.documentElement.classList.toggle("nobody", person === null);
  }, [person]);
  if (!isKnown) return <Shell />;
  return person ? (
    <DeviceProvider key={person.id} person={person} fallback={<Shell />}>
      <Frame />
    </DeviceProvider>
  ) : (
    <SignIn />
  );
}

type Above = "waiting" | "commands" | "help" | "new-list" | null;

/** Places on the left, the list, and on the right the task that is open. */
function Frame() {
  const device = useDevice();
  const { view, task } = useRoute();
  const things = useThings();
  const today = useToday();
  const now = useNow();
  const counts = useMemo(() => countsOf(things, today), [things, today]);
  const lists = listsOf(things);
  const [above, setAbove] = useState<Above>(null);
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const menu = useRef<HTMLButtonElement>(null);
  const close = () => setAbove(null);

  useEffect(listenToKeys, []);
  useParts();
  useCommand("inbox", () => go({ name: "inbox" }));
  useCommand("today", () => go({ name: "today" }));
  useCommand("upcoming", () => go({ name: "upcoming" }));
  useCommand("completed", () => go({ name: "completed" }));
  useCommand("trash", () => go({ name: "trash" }));
  useCommand("waiting", () => setAbove("waiting"));
  useCommand("new-list", () => setAbove("new-list"));
  useCommand("help", () => setAbove("help"));
  useCommand("commands", () => setAbove(above === "commands" ? null : "commands"));
  useCommand("undo", () => void undoLast(device));
  useCommand("select-none", isDrawerOpen ? closeDrawer : task !== null && closeTask);

  function closeDrawer() {
    if (!isDrawerOpen) return;
    setDrawerOpen(false);
    menu.current?.focus();
  }

  return (
    <>
      <a className="skip" href="#main" onClick={skip}>
        Skip to the tasks
      </a>
      <div className="app">
        <Sidebar
          view={view}
          lists={lists}
          counts={counts}
          isOpen={isDrawerOpen}
          onClose={closeDrawer}
          onNewList={() => setAbove("new-list")}
        />
        <div className="column" inert={isDrawerOpen}>
          <header className="bar">
            <button
              ref={menu}
              type="button"
              className="icon-button only-drawer"
              aria-label="Places"
              aria-expanded={isDrawerOpen}
              aria-controls="places"
              onClick={() => setDrawerOpen(true)}
            >
              <Icon name="menu" />
            </button>
            <Search view={view} />
            <Corner />
          </header>
          <Page view={view} things={things} lists={lists} counts={counts} />
        </div>
        {task && <Detail key={task} id={task} now={now} onClose={closeTask} onOpen={openTask} />}
      </div>
      {above === "waiting" && <Waiting onClose={close} />}
      {above === "commands" && <Commands onClose={close} />}
      {above === "help" && <Help onClose={close} />}
      {above === "new-list" && (
        <ListForm
          onClose={close}
          onMade={(id) => {
            close();
            go({ name: "list", id });
          }}
        />
      )}
      <Toasts />
    </>
  );
}

/** The address says which view is shown, so it cannot be used for a place on the page. */
function skip(event: { preventDefault(): void }) {
  event.preventDefault();
  document.querySelector<HTMLElement>(".rows input[tabindex='0'], #main h1")?.focus();
}
