import { Dialog, DialogHead } from "./parts/Dialog";
import { useSession } from "./session";
import { SignInForm } from "./SignIn";

/** Over what is on the device already. Somebody else who signs in here sees nothing of it. */
export default function SignInAgain({ onClose }: { onClose: () => void }) {
  const { person } = useSession();
  return (
    <Dialog label="Sign in again" onClose={onClose}>
      <DialogHead title="Sign in again" onClose={onClose} />
      <SignInForm email={person?.email} />
    </Dialog>
  );
}
