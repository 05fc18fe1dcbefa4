import { useEffect, useEffectEvent, useState } from "react";
import { useDevice, useOutbox } from "../device";
import { Dialog, DialogHead } from "./Dialog";
import { endSession, forgetPerson } from "../session";

/** Signing out leaves nothing on this device, so it asks where changes are not sent yet. */
export default function SignOut({ onClose }: { onClose: () => void }) {
  const device = useDevice();
  const { waiting, parked, isOnline } = useOutbox();
  const unsent = waiting + parked;
  const [step, setStep] = useState<"asking" | "sending" | "leaving">(unsent ? "asking" : "leaving");
  const [error, setError] = useState<string>();

  const leave = useEffectEvent(async () => {
    if (!(await endSession())) {
      setError("The server cannot be reached, so you are still signed in.");
      return;
    }
    await device.forget();
    forgetPerson();
  });

  useEffect(() => {
    if (step === "leaving") void leave();
  }, [step]);

  if (step === "sending" && unsent === 0) setStep("leaving");
  if (step === "leaving" && !error) return null;
  const changes = unsent === 1 ? "1 change is" : `${unsent} changes are`;
  return (
    <Dialog label="Sign out" onClose={onClose}>
      <DialogHead title="Sign out?" onClose={onClose} />
      {error ? (
        <p role="alert" className="error">
          {error}
        </p>
      ) : (
        <p>
          {changes} not sent yet: send {unsent === 1 ? "it" : "them"} first, or throw{" "}
          {unsent === 1 ? "it" : "them"} away?
        </p>
      )}
      {step === "sending" && (
        <p role="status">
          {isOnline ? "Sending …" : "There is no network. It goes on when it is back."}
        </p>
      )}
      <div className="buttons">
        {error ? (
          <button
            type="button"
            className="main"
            onClick={() => {
              setError(undefined);
              void leave();
            }}
          >
            Try again
          </button>
        ) : (
          <>
            <button
              type="button"
              className="main"
              disabled={step === "sending"}
              onClick={() => {
                setStep("sending");
                device.outbox.sendNow();
              }}
            >
              Send first
            </button>
            <button type="button" className="danger" onClick={() => setStep("leaving")}>
              Throw away
            </button>
          </>
        )}
        <button type="button" className="quiet" onClick={onClose}>
          Stay
        </button>
      </div>
    </Dialog>
  );
}
