import { lazy, Suspense, useState } from "react";
import { useOutbox } from "./device";
import { useSession } from "./session";
import "./signed-out.css";

const SignInAgain = lazy(() => import("./SignInAgain"));

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
        <Suspense>
          <SignInAgain onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </div>
  );
}
