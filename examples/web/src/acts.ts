// Everything that a person does goes through here: into the queue, and onto the list of what can be taken back.
import type { Device } from "@todo-api/client/device";
import type { Entry, Operation } from "@todo-api/client/outbox";
import { dismiss, tell } from "./toasts";
import { remember, take } from "./undo";

export type ActOptions = {
  /** The values as they were seen, for merging. */
  seen?: object;
  /** What a toast says of it; none is shown where it is left out. */
  says?: string;
};

/** Done when all acts so far are written. */
let written: Promise<unknown> = Promise.resolve();

/** Write an act on the device. It can be taken back by Ctrl/Cmd Z, and by its toast. */
export function act(...given: Parameters<typeof write>): Promise<Entry> {
  const entry = write(...given);
  written = Promise.allSettled([written, entry]);
  return entry;
}

async function write(
  device: Device,
  operation: Operation,
  input: object,
  { seen, says }: ActOptions = {},
): Promise<Entry> {
  const entry = await device.outbox.act(operation, input, seen).catch((error: unknown) => {
    tell("This could not be kept on the device, so it is not done. Is there room on it?");
    throw error;
  });
  const { key } = entry;
  const toast = says ? tell(says, { undo: () => void undo(device, key) }) : undefined;
  remember({ key, says: says ?? "", toast });
  return entry;
}

/** Take back the newest act of this window, be it written or not yet; false where there is none. */
export async function undoLast(device: Device): Promise<boolean> {
  await written;
  return undo(device);
}

async function undo(device: Device, key?: string): Promise<boolean> {
  const done = take(key);
  if (!done) return false;
  if (done.toast) dismiss(done.toast);
  await device.outbox.takeBack(done.key);
  tell(done.says ? `Taken back: ${done.says}` : "The last change is taken back.");
  return true;
}
