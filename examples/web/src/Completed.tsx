export default function Completed(_: { onOpen: (id: string) => void }) { return null; }
