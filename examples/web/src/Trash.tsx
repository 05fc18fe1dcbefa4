export default function Trash(_: { now: string }) { return null; }
