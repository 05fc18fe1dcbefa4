// The right of the bar, and the note below it: loaded after the list, which does not wait for it.
import { Account } from "./Account";
import { run } from "./commands";
import { SignedOutNote } from "./SignedOutNote";
import { SyncState } from "./SyncState";

export default function Corner() {
  return (
    <>
      <SyncState onOpen={() => run("waiting")} />
      <Account />
      <SignedOutNote />
    </>
  );
}
