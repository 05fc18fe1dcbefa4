import { useState } from "react";
import { useOutbox } from "./device";
import { useSession } from "./session";
import { later } from "./later";
import "./signed-out.css";

const SignInAgain = later(() => import("./SignInAgain"), { isSoon: false });

/** Says above the list that the session is over. What is on the device stays, and can be worked with. */
export function SignedOutNote() {
  const { isSignedOut } = useSession();
  const { waiting } = useOutbox();
  const [isOpen, setOpen] = useState(false);
  if (!isSignedOut) return null;
  const changes = waiting === 1 ? "1 change" : `${waiting} changes`;
  return (
    <div className="signed-out">
      <p>{waiting ? `Sign in to send ${changes}.` : "You are signed out. What is here stays here."}</p>
      <button type="button" className="main" onClick={() => setOpen(true)}>
        Sign in again
      </button>
      {isOpen && (
        <SignInAgain onClose={() => setOpen(false)} />
      )}
    </div>
  );
}
