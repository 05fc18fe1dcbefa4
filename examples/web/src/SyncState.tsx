import type { OutboxState } from "@todo-api/client/outbox";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { useOutbox } from "./device";
import { useSession } from "./session";
import "./sync-state.css";

type Tone = "calm" | "busy" | "away" | "wrong";

/** Milliseconds between two tellings, and before what is soon over shows at all. */
const [QUIET, SETTLES] = [5_000, 400];

/** How it stands with what is done here, always in sight. */
export function SyncState({ onOpen }: { onOpen: () => void }) {
  const outbox = useOutbox();
  const { isSignedOut } = useSession();
  const [tone, text, short] = inWords(outbox, isSignedOut || outbox.isSignedOut);
  const shown = useSettled(tone === "busy", { tone, text, short });
  const told = useTold(shown.text);
  useQuestion(!outbox.isKept && outbox.waiting > 0);
  return (
    <>
      <button
        type="button"
        className={`sync-state ${shown.tone}`}
        title={outbox.isKept ? "What waits to be sent" : "This browser keeps nothing of this page"}
        onClick={onOpen}
      >
        <Sign tone={shown.tone} />
        <span className="long">{shown.text}</span>
        <span className="short" aria-hidden="true">
          {shown.short}
        </span>
        <span className="only-told">. Waiting</span>
      </button>
      <span role="status" className="only-told">
        {told}
      </span>
    </>
  );
}

function inWords(state: OutboxState, isSignedOut: boolean): [Tone, string, string] {
  const { isKept, isOnline, isSending, parked, refused } = state;
  const waiting = state.waiting;
  const changes = waiting === 1 ? "1 change" : `${waiting} changes`;
  if (isSignedOut && waiting) return ["wrong", `Sign in to send ${changes}`, `${waiting} waiting`];
  if (refused) return ["wrong", `${refused} could not be done`, `${refused} not done`];
  if (parked) return ["wrong", `${parked} held back`, `${parked} held back`];
  if (!isOnline) return ["away", waiting ? `Offline, ${waiting} waiting` : "Offline", waiting ? `${waiting} waiting` : "Offline"];
  if (isSending || waiting) return ["busy", `Sending ${Math.max(waiting, 1)} …`, "Sending"];
  if (!isKept) return ["away", "Saved, but not on this device", "Not kept here"];
  return ["calm", "All saved", "Saved"];
}

/** The newest value; where that is soon over, only if it lasts. */
function useSettled<Value extends { text: string }>(isPassing: boolean, value: Value): Value {
  const [settled, setSettled] = useState(value);
  const { text } = value;
  const settle = useEffectEvent(() => setSettled(value));
  useEffect(() => {
    const timer = setTimeout(() => settle(), isPassing ? SETTLES : 0);
    return () => clearTimeout(timer);
  }, [isPassing, text]);
  return settled;
}

/** The text for screen readers: they are told at most every five seconds. */
function useTold(text: string): string {
  const [told, setTold] = useState(text);
  const toldAt = useRef(0);
  useEffect(() => {
    const tell = () => {
      toldAt.current = Date.now();
      setTold(text);
    };
    const timer = setTimeout(tell, Math.max(0, toldAt.current + QUIET - Date.now()));
    return () => clearTimeout(timer);
  }, [text]);
  return told;
}

/** Have the browser ask before the window is closed: where nothing is kept, what waits would be lost. */
function useQuestion(isAsked: boolean) {
  useEffect(() => {
    if (!isAsked) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", ask);
    return () => removeEventListener("beforeunload", ask);
  }, [isAsked]);
}

const SIGNS: Record<Tone, string> = {
  calm: "m3.5 8.5 3 3 6-7",
  busy: "M8 13V4m-3.5 3L8 3.5 11.5 7",
  away: "M4.5 12.5h7a2.5 2.5 0 0 0 .3-5 4 4 0 0 0-7.6-.6 2.9 2.9 0 0 0 .3 5.6ZM2 2l12 12",
  wrong: "M8 4v5m0 2.5v.5",
};

const Sign = ({ tone }: { tone: Tone }) => (
  <svg viewBox="0 0 16 16" aria-hidden="true">
    <path d={SIGNS[tone]} />
  </svg>
);
